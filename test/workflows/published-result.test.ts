import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { results } from '../../src/db/schema.ts'
import { envelopeSchema, readers } from '../http/readers.ts'
import { cacheEntry, redis } from '../http/redis.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { itemsOf, runBatch } from './runs.ts'

beforeEach(resetEverything)

const thirtyDays = 30 * 24 * 60 * 60

describe.each(readers)('a published result of $workflow', ({ workflow, key, path, add }) => {
  const published = async () => {
    const app = rounds()
    await add(app.services.db, 'ada')
    const batch = await runBatch(app, workflow)
    return { app, batch, entry: envelopeSchema.parse(await cacheEntry(key('ada'))) }
  }

  test('says how, when and of what it was made, as the stored one does', async () => {
    const began = Date.now() - 1000
    const { app, batch, entry } = await published()
    const [row] = await app.services.db.select().from(results)
    expect(row).toMatchObject({ workflow, scope: '', itemId: 'ada', batchId: batch.id })
    expect(entry).toEqual({
      version: row?.version,
      data: row?.data,
      model: 'local-model',
      usage: { inputTokens: row?.inputTokens, outputTokens: row?.outputTokens },
      generatedAt: row?.generatedAt.toISOString(),
      expiresAt: row?.expiresAt?.toISOString(),
    })
    expect(Date.parse(entry.generatedAt)).toBeGreaterThan(began)
    expect(Date.parse(entry.generatedAt)).toBeLessThan(Date.now() + 1000)
    expect(entry.usage.inputTokens).toBeGreaterThan(0)
    expect(entry.usage.outputTokens).toBeGreaterThan(0)
  })

  test('stays for thirty days', async () => {
    const { entry } = await published()
    const lifetime = Date.parse(entry.expiresAt ?? '') - Date.parse(entry.generatedAt)
    expect(lifetime).toBe(thirtyDays * 1000)
    const ttl = Number(await redis('TTL', key('ada')))
    expect(ttl).toBeGreaterThan(thirtyDays - 120)
    expect(ttl).toBeLessThanOrEqual(thirtyDays)
  })

  test('costs what the item says that it cost', async () => {
    const { app, batch, entry } = await published()
    expect(await itemsOf(app, batch.id)).toMatchObject([{ id: 'ada', status: 'succeeded', ...entry.usage }])
  })

  test('is one entry for each item, and nothing else', async () => {
    const app = rounds()
    for (const id of ['ada', 'bob', 'cleo']) await add(app.services.db, id)
    await runBatch(app, workflow)
    const keys = z.array(z.string()).parse(await redis('KEYS', '*'))
    expect(new Set(keys)).toEqual(new Set(['ada', 'bob', 'cleo'].map((id) => key(id))))
    const answers = await Promise.all(['ada', 'bob', 'cleo'].map((id) => app.call('GET', path(id))))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  })
})
