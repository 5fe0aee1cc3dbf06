import { NeonError } from './neon-error.ts'

/** The part of a connection string that says who connects to what. */
type Credentials = { user: string; password: string; database: string }

/**
 * What the Worker gets as DATABASE_URL. A server that trusts local connections needs no password, but Neon does, so
 * that one is added where there is none.
 */
export function databaseUrlOf(postgresUrl: string): string {
  const url = new URL(postgresUrl)
  if (url.username === '') url.username = 'postgres'
  if (url.password === '') url.password = 'rounds-local'
  if (url.pathname.length < 2) url.pathname = `/${url.username}`
  return url.href
}

/** Refuses a `Neon-Connection-String` that does not name the user, password and database of `databaseUrl`. */
export function checkCredentials(header: string | undefined, databaseUrl: string): void {
  const given = parse(header)
  const wanted = parse(databaseUrl)
  if (given.user !== wanted.user || given.password !== wanted.password) {
    throw new NeonError(400, { message: `password authentication failed for user '${given.user}'` })
  }
  if (given.database !== wanted.database) {
    throw new NeonError(400, {
      message: `database "${given.database}" does not exist`,
      severity: 'FATAL',
      code: '3D000',
    })
  }
}

function parse(connectionString: string | undefined): Credentials {
  if (connectionString === undefined) throw invalid('invalid header: neon-connection-string')
  const url = URL.parse(connectionString)
  if (url === null) throw invalid('invalid connection string')
  if (!['postgres:', 'postgresql:'].includes(url.protocol)) throw invalid('incorrect scheme')
  const [user, password, database] = [url.username, url.password, url.pathname.slice(1)].map(
    decodeURIComponent,
  )
  if (!database) throw invalid('missing database name')
  if (!user) throw invalid('missing username')
  if (!password) throw invalid('missing authentication credentials: required password')
  return { user, password, database }
}

const invalid = (message: string): NeonError => new NeonError(400, { message })
