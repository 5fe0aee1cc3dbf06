import type { WorkflowContext } from '@upstash/workflow'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { eventually, gate, startBench } from './support.ts'

test('a run id is taken while its run is active and for a window after it', async () => {
  const bench = await startBench({ dedupWindowMs: 600_000 })
  let ran = 0
  const { opened, open } = gate()
  const url = bench.workflow('/once', async (context) => {
    await context.run('count', async () => {
      ran++
      await opened
    })
  })
  const trigger = () => bench.client.trigger({ url, workflowRunId: 'same' })
  await trigger()
  await eventually(() => ran).toBe(1)
  await trigger()
  open()
  await bench.qstash.idle()
  bench.qstash.advance(590_000)
  await trigger()
  await bench.qstash.idle()
  expect(ran).toBe(1)
  bench.qstash.advance(10_000)
  await trigger()
  await bench.qstash.idle()
  expect(ran).toBe(2)
  expect(bench.qstash.runs({ runId: 'wfr_same' })).toHaveLength(2)
})

test('a duplicate is told the message that started the run', async () => {
  const bench = await startBench({ mode: 'pull' })
  const start = async () => {
    const answer = await bench.api('/v2/publish/http://worker.local/wf', {
      method: 'POST',
      headers: { 'upstash-workflow-runid': 'wfr_a', 'upstash-workflow-init': 'true' },
    })
    return { status: answer.status, ...z.looseObject({ messageId: z.string() }).parse(await answer.json()) }
  }
  const first = await start()
  expect(first.status).toBe(201)
  expect(await start()).toMatchObject({ status: 202, messageId: first.messageId, deduplicated: true })
})

const neverEnding = async (context: WorkflowContext) => {
  await context.waitForEvent('wait', 'never')
}

/** Starts waiting runs, with every property that a cancel can filter by. */
async function waitingRuns() {
  const bench = await startBench()
  const a = bench.workflow('/a', neverEnding)
  const ab = bench.workflow('/a/b', neverEnding)
  const flowControl = { key: 'k', parallelism: 5 }
  await bench.client.trigger([
    { url: a, workflowRunId: '1', label: ['red', 'round'] },
    { url: a, workflowRunId: '2', label: 'blue', flowControl },
    { url: ab, workflowRunId: '3', label: ['red', 'square'] },
  ])
  await bench.qstash.idle({ ignoreDelayed: true })
  const left = () =>
    bench.qstash
      .runs({ state: 'RUN_STARTED' })
      .map((run) => run.workflowRunId.slice(4))
      .toSorted()
  return { ...bench, a, ab, left }
}

type Waiting = Awaited<ReturnType<typeof waitingRuns>>
type Cancel = (bench: Waiting) => Promise<{ cancelled: number }>

const host = ({ url }: Waiting) => url.slice('http://'.length)

const cancels: [string, Cancel, string[]][] = [
  ['ids', ({ client }) => client.cancel(['wfr_1', 'wfr_3', 'wfr_unknown']), ['2']],
  ['one id', ({ client }) => client.cancel('wfr_2'), ['1', '3']],
  ['a label', ({ client }) => client.cancel({ filter: { label: 'red' } }), ['2']],
  ['either label', ({ client }) => client.cancel({ filter: { label: ['blue', 'square'] } }), ['1']],
  ['an exact URL', ({ client, a }) => client.cancel({ filter: { workflowUrl: a } }), ['3']],
  ['a URL prefix', ({ client, a }) => client.cancel({ filter: { workflowUrlStartingWith: a } }), []],
  [
    'URL and label',
    ({ client, a }) => client.cancel({ filter: { workflowUrl: a, label: 'red' } }),
    ['2', '3'],
  ],
  ['a flow control key', ({ client }) => client.cancel({ filter: { flowControlKey: 'k' } }), ['1', '3']],
  ['a path', ({ client }) => client.cancel({ filter: { path: '/a/b' } }), ['1', '2']],
  ['a host', (bench) => bench.client.cancel({ filter: { host: host(bench) } }), []],
  ['another host', ({ client }) => client.cancel({ filter: { host: 'example.com' } }), ['1', '2', '3']],
  ['another caller', ({ client }) => client.cancel({ filter: { callerIp: '10.0.0.1' } }), ['1', '2', '3']],
  ['an earlier date', ({ client }) => client.cancel({ filter: { toDate: 1000 } }), ['1', '2', '3']],
  ['a date', ({ client }) => client.cancel({ filter: { fromDate: Date.now() - 60_000 } }), []],
  ['a count', ({ client }) => client.cancel({ filter: { label: 'red' }, count: 1 }), ['2', '3']],
  ['nothing but all', ({ client }) => client.cancel({ all: true }), []],
]

test.each(cancels)('cancelling by %s', async (_, cancel, left) => {
  const bench = await waitingRuns()
  const { cancelled } = await cancel(bench)
  expect(bench.left()).toEqual(left)
  expect(cancelled).toBe(3 - left.length)
})

test('cancelling with an unknown filter or with none is refused', async () => {
  const bench = await waitingRuns()
  for (const query of ['', '?lable=red&count=100']) {
    const answer = await bench.api(`/v2/workflows/runs${query}`, { method: 'DELETE' })
    expect(answer.status).toBe(400)
  }
  expect(bench.left()).toEqual(['1', '2', '3'])
})

test('a cancelled run takes no more steps, and cancelling it again counts nothing', async () => {
  const bench = await startBench()
  const { opened, open } = gate()
  let started = 0
  const steps: string[] = []
  const url = bench.workflow('/cancelled', async (context) => {
    await context.run('first', async () => {
      started++
      await opened
      steps.push('first')
    })
    await context.run('second', () => steps.push('second'))
  })
  const { workflowRunId } = await bench.client.trigger({ url })
  await eventually(() => started).toBe(1)
  expect(await bench.client.cancel(workflowRunId)).toEqual({ cancelled: 1 })
  open()
  await bench.qstash.idle()
  expect(steps).toEqual(['first'])
  expect(await bench.client.cancel(workflowRunId)).toEqual({ cancelled: 0 })
  expect(bench.qstash.runs()[0]?.workflowState).toBe('RUN_CANCELED')
  expect(bench.qstash.stats().deliveries).toBe(1)
})
