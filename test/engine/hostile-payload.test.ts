import * as fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { isPolluted, tries } from '../support/hostile.ts'
import { resetEverything } from '../support/rounds.ts'
import { layers, ledger, logOf, paused, refusalSchema, textsFor } from './hostile-deliveries.ts'

beforeEach(resetEverything)

describe.each(['toy', 'lasting'])('a run of %s', (workflow) => {
  test.for(layers)(
    'with whatever payload, to %s, changes nothing, and is refused for good where it does not fit',
    async (layer) => {
      const { app, id, send } = await paused()
      const before = await ledger(app)
      const property = async (payload: string) => {
        const answer = await send(`${workflow}/${layer}`, logOf(payload))
        expect([200, 489]).toContain(answer.status)
        if (answer.status === 489) refusalSchema.parse(await answer.json())
        expect(await ledger(app)).toEqual(before)
        expect(isPolluted()).toBe(false)
      }
      await fc.assert(fc.asyncProperty(textsFor(id), property), tries(25))
    },
  )
})

test('a plain message with whatever body changes nothing, unless it asks for a batch', async () => {
  const { app, id } = await paused()
  const before = await ledger(app)
  const property = async (layer: string, body: string) => {
    const url = `https://rounds.test/api/workflows/toy/${layer}`
    await app.services.qstash.publish({ url, body, retries: 0 })
    for (const { status, answer } of await app.deliver()) {
      expect([200, 489]).toContain(status)
      if (status === 489) refusalSchema.parse(JSON.parse(answer))
    }
    expect(await ledger(app)).toEqual(before)
  }
  await fc.assert(fc.asyncProperty(fc.constantFrom(...layers), textsFor(id), property), tries(15))
})

test.for<[what: string, payload: string]>([
  ['nested without end', '['.repeat(50_000) + ']'.repeat(50_000)],
  ['of half a million backslashes', JSON.stringify('\\'.repeat(500_000))],
  ['with a field that no schema sees', '{"__proto__":{"limit":1}}'],
  ['with a field whose name never ends', JSON.stringify({ ['x'.repeat(500_000)]: 1 })],
])('a payload %s is refused for good, in few words', async ([, payload]) => {
  const { app, send } = await paused()
  const before = await ledger(app)
  for (const layer of layers) {
    const answer = await send(`toy/${layer}`, logOf(payload))
    expect(answer.status).toBe(489)
    refusalSchema.parse(await answer.json())
  }
  expect(await ledger(app)).toEqual(before)
})
