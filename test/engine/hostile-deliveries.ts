import * as fc from 'fast-check'
import { z } from 'zod'
import { currentKey, sign } from '../http/signed.ts'
import { stateOf } from '../http/state.ts'
import { isItem } from '../support/deliveries.ts'
import { hostileBody, hostileJson, hostileText } from '../support/hostile.ts'
import { userId } from '../support/population.ts'
import { rounds } from '../support/rounds.ts'
import { started } from '../support/started.ts'
import { durableToy } from '../support/toy.ts'

/** Nothing has this id. */
export const unknown = '00000000-0000-7000-8000-000000000000'
/** Ends of the routes of a toy workflow's layers. */
export const layers = ['process-users', 'paginate-users', 'execute-user']

/** What QStash says of a delivery of a run. */
export const ofRun = {
  'content-type': 'application/json',
  'upstash-workflow-sdk-version': '1',
  'upstash-workflow-init': 'false',
  'upstash-workflow-runid': 'wfr_hostile',
}

/** Sends what QStash has signed to the route of a layer. */
export const senderTo =
  ({ worker }: Pick<ReturnType<typeof rounds>, 'worker'>) =>
  async (path: string, body: string, headers: object = ofRun): Promise<Response> => {
    const url = `https://rounds.test/api/workflows/${path}`
    const signature = await sign({ url, body }, currentKey)
    const signed = { ...headers, 'upstash-signature': signature }
    return await worker(new Request(url, { method: 'POST', headers: signed, body }))
  }

/** A paused batch, whose items and pages nothing may move, and a workflow of durable items beside it. */
export async function paused() {
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
  return { app, id, send: senderTo(app) }
}

/** All that is kept, but how often something came twice. */
export async function ledger({
  services: { db },
}: Pick<ReturnType<typeof rounds>, 'services'>): Promise<unknown> {
  return JSON.parse(JSON.stringify(await stateOf(db)).replaceAll(/"duplicates":\d+/g, '"duplicates":0'))
}

/** What may be told of a delivery that is not taken. */
export const refusalSchema = z.strictObject({ error: z.string().max(100), message: z.string().max(1000) })

export const base64 = (text: string) => Buffer.from(text).toString('base64')

/** The log of a run of which nothing is done. */
export const logOf = (payload: string) => JSON.stringify([{ body: base64(payload), callType: 'step' }])

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

/** A byte order mark is signed, but not read: what begins with one is refused like what nobody has signed. */
export const isReadAsSigned = (text: string) => !text.startsWith('\ufeff')

/** Texts of payloads that ask for no batch. */
export const textsFor = (batchId: string) =>
  fc
    .oneof(
      { weight: 4, arbitrary: payloads(batchId).map((value) => JSON.stringify(value)) },
      { weight: 1, arbitrary: hostileBody },
    )
    .filter((text) => !isStart(text) && !isStart(parsedText(text)) && isReadAsSigned(text))

/** Of a JSON text that is a text, that one. */
const parsedText = (text: string) => {
  const value = parsed(text)
  return typeof value === 'string' ? value : text
}
