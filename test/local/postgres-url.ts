/**
 * Checks a connection string.
 *
 * @param name the environment variable that holds it.
 * @throws Error that says what a connection string looks like; never the value, which may hold a password.
 */
export function checkPostgresUrl(name: string, value: string): string {
  if (/^postgres(ql)?:$/.test(URL.parse(value)?.protocol ?? '')) return value
  throw new Error(`${name} is not a Postgres connection string such as ${exampleUrl}`)
}

export const exampleUrl = 'postgres://user:password@host:5432/database'

/** A connection string without what must not be shown. */
export function showDatabase(url: string): string {
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}
