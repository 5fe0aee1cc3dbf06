import { Pool } from 'pg'
import { openPGlite } from './pglite.ts'

/** The Postgres behind the local Neon. */
export type Database = {
  backend: 'PGlite' | 'PostgreSQL'
  /** For clients of the Postgres wire protocol: a migrator, a test that looks inside. */
  postgresUrl: string
  pool: Pool
  close(): Promise<void>
}

/** Connects to the server at `postgresUrl`, or starts an in-memory PGlite. */
export async function openDatabase(postgresUrl?: string): Promise<Database> {
  return postgresUrl === undefined ? embedded() : connected(postgresUrl)
}

async function embedded(): Promise<Database> {
  const pglite = await openPGlite()
  const postgresUrl = `postgres://rounds:rounds-local@${pglite.host}/rounds`
  // PGlite runs one statement at a time: more connections would only queue there instead of here.
  const pool = openPool(postgresUrl, 1)
  // Its one session outlives a connection, and with it the statements that a new connection would prepare again. Each is
  // planned once: with parameters in their place, planning would be most of what PGlite does.
  pool.on('connect', (client) => {
    client.query('deallocate all; set plan_cache_mode = force_generic_plan').catch(() => {})
  })
  const close = async () => {
    await pool.end()
    await pglite.close()
  }
  return { backend: 'PGlite', postgresUrl, pool, close }
}

async function connected(postgresUrl: string): Promise<Database> {
  const pool = openPool(postgresUrl, 16)
  try {
    await pool.query('select 1')
  } catch (error) {
    await pool.end()
    throw new Error(`no Postgres answers at ${new URL(postgresUrl).host}`, { cause: error })
  }
  return { backend: 'PostgreSQL', postgresUrl, pool, close: () => pool.end() }
}

function openPool(connectionString: string, max: number): Pool {
  const pool = new Pool({ connectionString, max, options: '-c TimeZone=GMT' })
  // Without a listener, a connection that breaks while idle would end the process.
  pool.on('error', () => {})
  return pool
}
