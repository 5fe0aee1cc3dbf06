import { randomBytes } from 'node:crypto'
import { Client, DatabaseError } from 'pg'
import { showDatabase } from '../cli/options.ts'

/** Postgres: not permitted. */
const insufficientPrivilege = '42501'

/** A database for one demo. */
export type DemoDatabase = { url: string; name: string; drop(): Promise<void> }

/**
 * Creates an empty database on a server, so that the demo neither meets nor leaves data; null when that is not
 * permitted.
 *
 * @throws Error when the server cannot be reached.
 */
export async function createDatabase(serverUrl: string): Promise<DemoDatabase | null> {
  const name = `rounds_demo_${randomBytes(4).toString('hex')}`
  try {
    await query(serverUrl, `create database ${name}`)
  } catch (error) {
    if (error instanceof DatabaseError && error.code === insufficientPrivilege) return null
    throw new Error(`cannot use the Postgres at ${showDatabase(serverUrl)}`, { cause: error })
  }
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const drop = () => query(serverUrl, `drop database if exists ${name} with (force)`)
  return { url: url.href, name, drop }
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
