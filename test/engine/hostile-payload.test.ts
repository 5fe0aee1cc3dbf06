import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { currentKey, sign } from '../http/signed.ts'
import { stateOf } from '../http/state.ts'
import { isItem } from '../support/deliveries.ts'
import { hostileBody, hostileJson, hostileText, isPolluted, tries } from '../support/hostile.ts'
import { userId } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { started } from '../support/started.ts'
import { durableToy } from '../support/toy.ts'

beforeEach(resetEverything)

const unknown = '00000000-0000-7000-8000-000000000000'
const layers = ['process-users', 'paginate-users', 'execute-user']

/** What QStash says of a delivery of a run. */
const ofRun = {
  'content-type': 'application/json',
  'upstash-workflow-sdk-version': '1',
  'upstash-workflow-init': 'false',
  'upstash-workflow-runid': 'wfr_hostile',
}

/** A paused batch, whose items and pages nothing may move, and a workflow of durable items beside it. */
async function paused() {
  const { id, toy, act, deliver } = await started(3)
  let reached = false
  const fate = (delivery: Parameters<typeof isItem>[0]) => {
    reached ||= isItem(delivery)
    return 'normal' as const
  }
  await deliver({ concurrency: 1, fate, until: () => reached })
  await act('pause')
  const lasting = durableToy(() => Promise.resolve({ text: '' }), { name: 'lasting' })
  const app = rounds([toy, lasting])
  const send = async (path: string, body: string, headers: object = ofRun) => {
    const url = `https://rounds.test/api/workflows/${path}`
    const signature = await sign({ url, body }, currentKey)
    const signed = { ...headers, 'upstash-signature': signature }
    return await app.worker(new Request(url, { method: 'POST', headers: signed, body }))
  }
  return { app, id, send }
}

/** All that is kept, but how often something came twice. */
async function ledger({ services: { db } }: Pick<ReturnType<typeof rounds>, 'services'>) {
  const { batches, ...rest } = await stateOf(db)
  const counted = z.array(z.looseObject({ duplicates: z.number() })).parse(batches)
  return { ...rest, batches: counted.map(({ duplicates: _, ...batch }) => batch) }
}

/** What may be told of a delivery that is not taken. */
const refusalSchema = z.strictObject({ error: z.string().max(100), message: z.string().max(1000) })

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** The log of a run of which nothing is done. */
const logOf = (payload: string) => JSON.stringify([{ body: base64(payload), callType: 'step' }])

/** A payload with the fields that a layer knows, each of which may be anything. */
const payloads = (batchId: string): fc.Arbitrary<unknown> => {
  const ids = fc.oneof(fc.constant(userId(2)), hostileText)
  return fc.oneof(
    fc.record(
      {
        batchId: fc.oneof(
          { weight: 4, arbitrary: fc.constantFrom(batchId, unknown) },
          { weight: 1, arbitrary: hostileJson },
        ),
        page: fc.oneof(fc.constantFrom(0, 1, 2, 2 ** 31 - 1, 2 ** 31), hostileJson),
        userIds: fc.oneof(fc.array(ids, { maxLength: 3 }), hostileJson),
        userId: fc.oneof(ids, hostileJson),
        attempt: fc.oneof(fc.constantFrom(0, 1, 2, 2 ** 31 - 1, 2 ** 53), hostileJson),
        dryRun: hostileJson,
        force: hostileJson,
        limit: hostileJson,
        tag: hostileJson,
      },
      { requiredKeys: [] },
    ),
    fc.record({ batchId: fc.constantFrom(batchId, unknown), page: fc.constantFrom(1, 2, 2 ** 31 - 1) }),
    fc.record({
      batchId: fc.constantFrom(batchId, unknown),
      userIds: fc.array(ids, { minLength: 1, maxLength: 100 }),
    }),
    fc.record({ batchId: fc.constantFrom(batchId, unknown), userId: ids, attempt: fc.integer({ min: 1 }) }),
    hostileJson,
  )
}

/** What really asks for a batch: it may have one. */
const isStart = (text: string) => text === '' || startSchema.safeParse(parsed(text)).success
const startSchema = z.strictObject({
  dryRun: z.boolean().optional(),
  force: z.boolean().optional(),
  limit: z.int32().min(1).optional(),
  tag: z.string().optional(),
})
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
const textsFor = (batchId: string) =>
  fc
    .oneof(
      { weight: 4, arbitrary: payloads(batchId).map((value) => JSON.stringify(value)) },
      { weight: 1, arbitrary: hostileBody },
    )
    .filter((text) => !isStart(text) && !isStart(parsedText(text)))

/** Of a JSON text that is a text, that one. */
const parsedText = (text: string) => {
  const value = parsed(text)
  return typeof value === 'string' ? value : text
}

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

const headerText = fc.constantFrom(
  '',
  '0',
  '1',
  'true',
  'NaN',
  '-1',
  'x',
  'wfr_hostile',
  'https://attacker.example',
)
const strangeHeaders = fc.record(
  {
    'upstash-workflow-sdk-version': headerText,
    'upstash-workflow-init': headerText,
    'upstash-workflow-runid': headerText,
    'upstash-workflow-url': headerText,
    'upstash-workflow-callback': headerText,
    'upstash-workflow-is-failure': headerText,
    'upstash-workflow-failure-callback': headerText,
    'upstash-workflow-invoke-count': headerText,
    'upstash-workflow-stepid': headerText,
    'upstash-workflow-steptype': fc.constantFrom('Run', 'Call', 'Invoke', 'Wait', 'x'),
    'upstash-retried': headerText,
    'upstash-region': headerText,
    'upstash-label': headerText,
  },
  { requiredKeys: [] },
)

/** Logs of runs as QStash never sends them. */
const strangeLogs = fc.oneof(
  hostileBody,
  fc
    .array(
      fc.record({
        body: fc.oneof(
          hostileText,
          hostileText.map((text) => base64(text)),
        ),
        callType: fc.constantFrom('step', 'toCallback', 'x'),
      }),
    )
    .map((log) => JSON.stringify(log)),
)

test('whatever QStash may sign as a delivery is answered without a stack, and changes nothing', async () => {
  const { app, id, send } = await paused()
  const before = await ledger(app)
  const property = async (layer: string, log: string, headers: Record<string, string>) => {
    const answer = await send(`toy/${layer}`, log, { ...ofRun, ...headers })
    if (!answer.ok) refusalSchema.parse(await answer.json())
    expect(await ledger(app)).toEqual(before)
  }
  const log = fc.oneof(strangeLogs, textsFor(id).map(logOf))
  await fc.assert(fc.asyncProperty(fc.constantFrom(...layers), log, strangeHeaders, property), tries(40))
})

test('a report of a failed run with whatever in it is taken, and changes nothing of a batch that it does not name', async () => {
  const { app, send } = await paused()
  const before = await ledger(app)
  const report = fc.record(
    {
      status: hostileJson,
      header: hostileJson,
      body: fc
        .oneof(
          hostileBody,
          hostileJson.map((message) => JSON.stringify({ error: 'Error', message })),
        )
        .map(base64),
      url: hostileText,
      sourceBody: textsFor(unknown).map(base64),
      workflowRunId: hostileText,
    },
    { requiredKeys: ['body', 'sourceBody'] },
  )
  const property = async (layer: string, body: object) => {
    const headers = { 'upstash-workflow-runid': 'wfr_hostile', 'upstash-workflow-is-failure': 'true' }
    const answer = await send(`toy/${layer}`, JSON.stringify(body), headers)
    expect([answer.status, await answer.text()]).toEqual([200, expect.any(String)])
    expect(await ledger(app)).toEqual(before)
  }
  await fc.assert(fc.asyncProperty(fc.constantFrom(...layers), report, property), tries(25))
})
