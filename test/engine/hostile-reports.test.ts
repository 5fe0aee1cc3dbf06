import * as fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import { hostileBody, hostileJson, hostileText, tries } from '../support/hostile.ts'
import { resetEverything } from '../support/rounds.ts'
import { started } from '../support/started.ts'
import {
  base64,
  isReadAsSigned,
  layers,
  ledger,
  logOf,
  ofRun,
  paused,
  refusalSchema,
  senderTo,
  textsFor,
  unknown,
} from './hostile-deliveries.ts'

beforeEach(resetEverything)

/** What QStash says of a report that a run has failed. */
const ofReport = { 'upstash-workflow-runid': 'wfr_hostile', 'upstash-workflow-is-failure': 'true' }

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
  hostileBody.filter(isReadAsSigned),
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
    const answer = await send(`toy/${layer}`, JSON.stringify(body), ofReport)
    expect([answer.status, await answer.text()]).toEqual([200, expect.any(String)])
    expect(await ledger(app)).toEqual(before)
  }
  await fc.assert(fc.asyncProperty(fc.constantFrom(...layers), report, property), tries(25))
})

test.for<[message: unknown, reason: string]>([
  ['gone', 'gone'],
  [7, '7'],
  [['gone'], 'gone'],
  [{ code: 502 }, '[object Object]'],
])(
  'a report of a failed run counts, also when what the run was answered says %j',
  async ([message, reason]) => {
    const { id, now, worker } = await started(1)
    const body = base64(JSON.stringify({ message }))
    const report = { status: 502, body, sourceBody: base64(JSON.stringify({ batchId: id })) }
    const answer = await senderTo({ worker })('toy/process-users', JSON.stringify(report), ofReport)
    expect(answer.status).toBe(200)
    expect(await now()).toMatchObject({ status: 'failed', reason })
  },
)
