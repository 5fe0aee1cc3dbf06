import { env } from 'node:process'
import { describe, expect, it } from 'vitest'
import { neonSuite } from './neon-suite.ts'
import { startNeon } from './start.ts'

neonSuite('PGlite', () => startNeon())

const postgresUrl = env['LOCAL_POSTGRES_URL']
if (postgresUrl) neonSuite('PostgreSQL', () => startNeon({ postgresUrl }))

describe('starting a local Neon', () => {
  it('fails clearly when no Postgres answers', async () => {
    const started = startNeon({ postgresUrl: 'postgres://nobody:x@127.0.0.1:1/none' })
    await expect(started).rejects.toThrow('no Postgres answers at 127.0.0.1:1')
  })
})
