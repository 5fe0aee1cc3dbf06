import { beforeEach, describe, expect, test, vi } from 'vitest'
import { batches, results } from '../../src/db/schema.ts'
import { registry } from '../../src/workflows/registry.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { addUser } from '../workflows/records.ts'
import { prompts, timesAsked } from '../workflows/runs.ts'
import { expectError, notFound } from './error-shape.ts'
import { readers } from './readers.ts'
import { redis } from './redis.ts'
import { askSample, idsOf, modelStats, sampled, sampleParsed } from './samples.ts'

beforeEach(resetEverything)

describe.each(readers)('a sample of $workflow', ({ workflow, add, path, empty }) => {
  test('shows what the model was asked and what it said, with tokens and time', async () => {
    const app = rounds()
    for (const id of ['aster', 'fern', 'moss']) await add(app.services.db, id)
    const sample = await sampled(app, workflow, { count: 2 })

    const asked = await prompts()
    const paid = await modelStats()
    const definition = registry.find(({ name }) => name === workflow)
    expect(idsOf(sample)).toEqual(['aster', 'fern'])
    expect(asked).toHaveLength(2)
    for (const item of sample.items) {
      expect(item).toMatchObject({ status: 'succeeded', error: null, model: 'local-model' })
      expect(definition?.data.safeParse(item.output).success).toBe(true)
      expect(item.input).toHaveLength(1)
      const [{ instructions, prompt } = { instructions: '', prompt: '' }] = item.input
      expect(prompt).not.toBe('')
      expect(asked.filter((text) => text.includes(instructions) && text.includes(prompt))).not.toEqual([])
      expect(item.inputTokens).toBeGreaterThan(0)
      expect(item.outputTokens).toBeGreaterThan(0)
    }
    expect(sample.totals).toEqual({
      items: 2,
      pending: 0,
      succeeded: 2,
      skipped: 0,
      failed: 0,
      inputTokens: paid.promptTokens,
      outputTokens: paid.completionTokens,
      workMs: sample.items.reduce((sum, { workMs }) => sum + workMs, 0),
      usd: null,
    })
  })

  test('publishes nothing, opens no batch, and leaves nothing to deliver', async () => {
    const app = rounds()
    await add(app.services.db, 'fern')
    await sampled(app, workflow)
    expect(await app.services.db.select().from(results)).toEqual([])
    expect(await app.services.db.select().from(batches)).toEqual([])
    expect(await redis('DBSIZE')).toBe(0)
    expect(await app.deliver()).toEqual([])
    expect((await app.call('GET', path('fern'))).body).toEqual(empty)
  })

  test('can be read again', async () => {
    const app = rounds()
    await add(app.services.db, 'fern')
    const sample = await sampled(app, workflow)
    const again = await app.call('GET', `/api/admin/samples/${sample.id}`)
    expect(again.status).toBe(200)
    expect(sampleParsed(again.body)).toEqual(sample)
  })

  test('of nobody is empty', async () => {
    const sample = await sampled(rounds(), workflow)
    expect(sample).toMatchObject({ items: [], totals: { items: 0, inputTokens: 0, workMs: 0 } })
    expect(await timesAsked()).toBe(0)
  })
})

const workflow = 'welcome-placeholder'

describe('a sample', () => {
  test.for([
    { body: undefined, size: 5 },
    { body: {}, size: 5 },
    { body: { count: 1 }, size: 1 },
    { body: { count: 20 }, size: 20 },
  ])('asked for with $body has $size of 22 items', async ({ body, size }) => {
    const app = rounds()
    for (let n = 10; n < 32; n += 1) await addUser(app.services.db, `user${n}`)
    const sample = await sampled(app, workflow, body)
    expect(idsOf(sample)).toEqual(Array.from({ length: size }, (_, n) => `user${n + 10}`))
    expect(await timesAsked()).toBe(size)
  })

  test('costs dollars when prices are configured', async () => {
    const app = rounds(undefined, { AI_INPUT_USD_PER_MILLION: '2', AI_OUTPUT_USD_PER_MILLION: '10' })
    await addUser(app.services.db, 'ada')
    const { id, totals } = await sampled(app, workflow)
    expect(totals.usd).toBeCloseTo((totals.inputTokens * 2 + totals.outputTokens * 10) / 1e6, 10)
    expect(totals.usd).toBeGreaterThan(0)
    expect((await app.call('GET', `/api/admin/samples/${id}`)).body).toMatchObject({ totals })
  })

  test('is in the log of changes, with who made it and what it used', async () => {
    const app = rounds()
    for (const id of ['ada', 'bob']) await addUser(app.services.db, id)
    const { id, totals } = await sampled(app, workflow, { reason: 'a new prompt' })
    const { body } = await app.call('GET', '/api/admin/changes')
    expect(body).toMatchObject({
      data: [
        {
          actor: 'ADMIN_TOKEN',
          action: 'sample.create',
          workflow,
          batchId: null,
          reason: 'a new prompt',
          before: null,
          after: { sampleId: id, count: 2, tokens: totals.inputTokens + totals.outputTokens },
        },
      ],
      nextCursor: null,
    })
  })

  test('puts no prompt in the log', async () => {
    const lines: unknown[] = []
    const spies = (['log', 'info', 'warn', 'error'] as const).map((method) =>
      vi.spyOn(console, method).mockImplementation((...args: unknown[]) => void lines.push(...args)),
    )
    const app = rounds()
    await addUser(app.services.db, 'ada', { interests: ['quokkas'] })
    const { items } = await sampled(app, workflow)
    for (const spy of spies) spy.mockRestore()
    expect(items[0]?.input[0]?.prompt).toContain('quokkas')
    expect(JSON.stringify(lines)).not.toContain('quokkas')
  })

  test('that does not exist is not found', async () => {
    const app = rounds()
    expectError(await app.call('GET', `/api/admin/samples/${crypto.randomUUID()}`), notFound)
    expect((await app.call('GET', '/api/admin/samples/first')).status).toBe(400)
  })

  test('is made by an operator and looked at by a viewer', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    const token = async (role: string) => {
      const { body } = await app.call('POST', '/api/admin/tokens', { name: role, role })
      return { authorization: `Bearer ${String(Object(body).token)}` }
    }
    const [viewer, operator] = [await token('viewer'), await token('operator')]
    expectError(await askSample(app, workflow, {}, viewer), { status: 403, code: 'forbidden' })
    expect(await timesAsked()).toBe(0)

    const made = await askSample(app, workflow, {}, operator)
    expect(made.status).toBe(200)
    const { id } = sampleParsed(made.body)
    expect((await app.call('GET', `/api/admin/samples/${id}`, undefined, viewer)).status).toBe(200)
  })
})
