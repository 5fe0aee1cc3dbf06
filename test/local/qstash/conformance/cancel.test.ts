import type { WorkflowContext } from '@upstash/workflow'
import { expect } from 'vitest'
import { gate } from '../support.ts'
import { endedAs, logOf, openSite, pass, test, until } from './support.ts'

/** Starts three waiting runs, with every property that a cancel can filter by. */
async function waitingRuns() {
  const site = openSite()
  const { id, client } = site
  const neverEnding = async (context: WorkflowContext) => {
    await context.waitForEvent('wait', id, { timeout: '1m' })
  }
  const a = site.workflow('/a', neverEnding)
  const ab = site.workflow('/a/b', neverEnding)
  const flowControl = { key: id, parallelism: 5 }
  await client.trigger([
    { url: a, workflowRunId: `${id}-1`, label: [`${id}-red`, `${id}-round`] },
    { url: a, workflowRunId: `${id}-2`, label: `${id}-blue`, flowControl },
    { url: ab, workflowRunId: `${id}-3`, label: [`${id}-red`, `${id}-square`] },
  ])
  await until(async () => expect(await client.getWaiters({ eventId: id })).toHaveLength(3))
  const run = (n: string) => `wfr_${id}-${n}`
  const left = async () => {
    const states = await Promise.all(
      ['1', '2', '3'].map(async (n) => [n, await logOf(site, run(n))] as const),
    )
    return states.flatMap(([n, { workflowState }]) => (workflowState === 'RUN_STARTED' ? [n] : []))
  }
  return { ...site, a, ab, run, left, pathOf: (url: string) => new URL(url).pathname }
}

type Waiting = Awaited<ReturnType<typeof waitingRuns>>
type Cancel = (site: Waiting) => Promise<{ cancelled: number }>

const callerOf = ({ received }: Waiting) => received[0]?.headers.get('upstash-caller-ip') ?? ''
const hostOf = ({ url }: Waiting) => new URL(url).host

// What more than these runs would match is asked for together with their URL: the server may have others.
const cancels: [string, Cancel, string[]][] = [
  ['ids', ({ client, run }) => client.cancel([run('1'), run('3'), run('unknown')]), ['2']],
  ['one id', ({ client, run }) => client.cancel(run('2')), ['1', '3']],
  ['a label', ({ client, id }) => client.cancel({ filter: { label: `${id}-red` } }), ['2']],
  [
    'either label',
    ({ client, id }) => client.cancel({ filter: { label: [`${id}-blue`, `${id}-square`] } }),
    ['1'],
  ],
  ['an exact URL', ({ client, a }) => client.cancel({ filter: { workflowUrl: a } }), ['3']],
  ['either URL', ({ client, a, ab }) => client.cancel({ filter: { workflowUrl: [a, ab] } }), []],
  ['a URL prefix', ({ client, a }) => client.cancel({ filter: { workflowUrlStartingWith: a } }), []],
  [
    'URL and label',
    ({ client, a, id }) => client.cancel({ filter: { workflowUrl: a, label: `${id}-red` } }),
    ['2', '3'],
  ],
  ['a flow control key', ({ client, id }) => client.cancel({ filter: { flowControlKey: id } }), ['1', '3']],
  ['a path', ({ client, ab, pathOf }) => client.cancel({ filter: { path: pathOf(ab) } }), ['1', '2']],
  ['a host', (site) => site.client.cancel({ filter: { host: hostOf(site), workflowUrl: site.a } }), ['3']],
  [
    'another host',
    ({ client, a }) => client.cancel({ filter: { host: 'example.com', workflowUrl: a } }),
    ['1', '2', '3'],
  ],
  [
    'a caller',
    (site) => site.client.cancel({ filter: { callerIp: callerOf(site), workflowUrl: site.a } }),
    ['3'],
  ],
  [
    'another caller',
    ({ client, a }) => client.cancel({ filter: { callerIp: '192.0.2.1', workflowUrl: a } }),
    ['1', '2', '3'],
  ],
  [
    'an earlier date',
    ({ client, a }) => client.cancel({ filter: { toDate: Date.now() - 60_000, workflowUrl: a } }),
    ['1', '2', '3'],
  ],
  [
    'a date',
    ({ client, a }) => client.cancel({ filter: { fromDate: Date.now() - 60_000, workflowUrl: a } }),
    ['3'],
  ],
  [
    'a later date',
    ({ client, a }) => client.cancel({ filter: { fromDate: Date.now() + 60_000, workflowUrl: a } }),
    ['1', '2', '3'],
  ],
]

test.each(cancels)('cancelling by %s ends those runs and no others', async (_, cancel, left) => {
  const site = await waitingRuns()
  const { cancelled } = await cancel(site)
  expect(await site.left()).toEqual(left)
  expect(cancelled).toBe(3 - left.length)
  await site.client.cancel([site.run('1'), site.run('2'), site.run('3')])
})

test('cancelling with a count ends no more than that', async () => {
  const site = await waitingRuns()
  const one = { filter: { label: `${site.id}-red` }, count: 1 }
  expect(await site.client.cancel(one)).toEqual({ cancelled: 1 })
  expect(await site.left()).toHaveLength(2)
  expect(await site.client.cancel(one)).toEqual({ cancelled: 1 })
  expect(await site.left()).toEqual(['2'])
  expect(await site.client.cancel(one)).toEqual({ cancelled: 0 })
  await site.client.cancel(site.run('2'))
})

test('a cancelled run takes no more steps, and cancelling it again counts nothing', async () => {
  const site = openSite()
  const { opened, open } = gate()
  const steps: string[] = []
  const url = site.workflow('/cancelled', async (context) => {
    await context.run('first', async () => {
      await opened
      steps.push('first')
    })
    await context.run('second', () => steps.push('second'))
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await until(() => expect(site.received).toHaveLength(1))
  expect(await site.client.cancel(workflowRunId)).toEqual({ cancelled: 1 })
  open()
  await until(() => expect(site.received[0]?.status).toBe(200))
  await pass(500)
  expect(steps).toEqual(['first'])
  expect(site.received).toHaveLength(1)
  expect(await site.client.cancel(workflowRunId)).toEqual({ cancelled: 0 })
  await endedAs(site, workflowRunId, 'RUN_CANCELED')
})

test('a cancelled run is not delivered when its delay has passed', async () => {
  const site = openSite()
  const url = site.workflow('/delayed', async (context) => void (await context.run('step', () => 'ok')))
  const { workflowRunId } = await site.client.trigger({ url, delay: '2s' })
  expect(await site.client.cancel(workflowRunId)).toEqual({ cancelled: 1 })
  await pass(2500)
  expect(site.received).toEqual([])
})
