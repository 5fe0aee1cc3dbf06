import { randomBytes } from 'node:crypto'
import { Client, DatabaseError } from 'pg'
import { showDatabase } from './postgres-url.ts'

/** Postgres: not permitted. */
const insufficientPrivilege = '42501'

/** An empty database of one's own. */
export type FreshDatabase = { url: string; drop: () => Promise<void> }

/**
 * Creates an empty database on a server, so that whoever uses it neither meets nor leaves data; null when that is not
 * permitted.
 *
 * @throws Error when the server cannot be reached.
 */
export async function freshDatabase(serverUrl: string): Promise<FreshDatabase | null> {
  const name = `rounds_${randomBytes(4).toString('hex')}`
  try {
    await query(serverUrl, `create database ${name}`)
  } catch (error) {
    if (error instanceof DatabaseError && error.code === insufficientPrivilege) return null
    throw new Error(`cannot use the Postgres at ${showDatabase(serverUrl)}`, { cause: error })
  }
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const drop = () => query(serverUrl, `drop database if exists ${name} with (force)`)
  return { url: url.href, drop }
}

/**
 * The environment with a fresh database in place of the one that LOCAL_POSTGRES_URL names, and with this database
 * number of LOCAL_REDIS_URL, so that tests which run at the same time on real servers do not meet.
 */
export async function isolatedEnv(
  env: NodeJS.ProcessEnv,
  redisDatabase: number,
): Promise<{ env: NodeJS.ProcessEnv; drop: () => Promise<void> }> {
  const { LOCAL_POSTGRES_URL: serverUrl, LOCAL_REDIS_URL: redisUrl } = env
  const isolated = { ...env }
  if (redisUrl !== undefined) isolated.LOCAL_REDIS_URL = new URL(`/${redisDatabase}`, redisUrl).href
  if (serverUrl === undefined) return { env: isolated, drop: () => Promise.resolve() }
  const database = await freshDatabase(serverUrl)
  if (database === null) throw new Error('LOCAL_POSTGRES_URL must name a role that may create databases')
  return { env: { ...isolated, LOCAL_POSTGRES_URL: database.url }, drop: database.drop }
}

async function query(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
