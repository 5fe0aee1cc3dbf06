import { expect } from 'vitest'
import { z } from 'zod'
import { gate } from '../support.ts'
import { endedAs, openSite, pass, type Site, test, until } from './support.ts'

const Limits = z.looseObject({ flowControlKey: z.string() })

const five = [1, 2, 3, 4, 5]

/** Counts how many requests are in the app of a test at once. */
function crowd({ app }: Site) {
  const seen = { now: 0, most: 0 }
  app.use(async (_, next) => {
    seen.most = Math.max(seen.most, ++seen.now)
    await pass(50)
    await next()
    seen.now--
  })
  return seen
}

const allEnded = async (site: Site, runs: readonly { workflowRunId: string }[]) => {
  for (const { workflowRunId } of runs) await endedAs(site, workflowRunId)
}

const limitsOf = ({ qstashClient, id }: Site) => qstashClient.flowControl.get(id)

test('parallelism bounds the deliveries in flight of a key', async () => {
  const site = openSite()
  const seen = crowd(site)
  const url = site.workflow('/narrow', async (context) => void (await context.run('step', () => 'ok')))
  const flowControl = { key: site.id, parallelism: 2 }
  await allEnded(site, await site.client.trigger(five.map(() => ({ url, flowControl }))))
  expect(seen.most).toBe(2)
})

test('the limit of a run holds for each of its deliveries, also for its failure callback', async () => {
  const site = openSite()
  const seen = crowd(site)
  const failures: unknown[] = []
  const url = site.workflow(
    '/serial',
    async (context) => {
      await context.run('one', () => 1)
      await Promise.all([context.run('two', () => 2), context.run('three', () => 3)])
      await context.run('fail', () => {
        throw new Error('broken')
      })
    },
    { failureFunction: async ({ context }) => void failures.push(context.workflowRunId) },
  )
  const trigger = { url, retries: 0, flowControl: { key: site.id, parallelism: 1 } }
  await site.client.trigger([trigger, trigger])
  await until(() => expect(failures).toHaveLength(2))
  expect(seen.most).toBe(1)
  // the payload, the step before the group, two plans, two results, the failure
  expect(site.received).toHaveLength(2 * 7)
})

test('a rate bounds the deliveries that start in a period, and all come in the end', async () => {
  const site = openSite()
  const url = site.workflow('/slow', async (context) => void (await context.run('step', () => 'ok')))
  const flowControl = { key: site.id, rate: 2, period: '1s' } as const
  await allEnded(site, await site.client.trigger([1, 2, 3].map(() => ({ url, flowControl }))))
  expect(site.received).toHaveLength(6)
  // Three periods: the first may be almost over, and the last just begun.
  expect((site.received[5]?.at ?? 0) - (site.received[0]?.at ?? 0)).toBeGreaterThan(950)
})

test('the newest limits of a key win, and are told', async () => {
  const site = openSite()
  const url = site.workflow('/newest', async (context) => void (await context.run('step', () => 'ok')))
  const key = site.id
  const older = await site.client.trigger({ url, flowControl: { key, parallelism: 1 } })
  const newer = await site.client.trigger({
    url,
    flowControl: { key, parallelism: 7, rate: 20, period: '1m' },
  })
  const limits = { flowControlKey: key, parallelismMax: 7, rateMax: 20, ratePeriod: 60 }
  expect(await limitsOf(site)).toMatchObject(limits)
  const list = Limits.array().parse(await (await site.api('/v2/flowControl')).json())
  expect(list.find(({ flowControlKey }) => flowControlKey === key)).toMatchObject(limits)
  await allEnded(site, [older, newer])
})

test('a paused key keeps its messages until it is resumed', async () => {
  const site = openSite()
  const url = site.workflow('/paused', async (context) => void (await context.run('step', () => 'ok')))
  await site.qstashClient.flowControl.pause(site.id)
  const run = await site.client.trigger({ url, flowControl: { key: site.id, parallelism: 1 } })
  await pass(1000)
  expect(site.received).toEqual([])
  expect(await limitsOf(site)).toMatchObject({ isPaused: true, waitListSize: 1 })
  await site.qstashClient.flowControl.resume(site.id)
  await allEnded(site, [run])
  expect(await limitsOf(site)).toMatchObject({ isPaused: false, waitListSize: 0 })
})

test('pinned limits overrule those of the messages until they are unpinned', async () => {
  const site = openSite()
  const { opened, open } = gate()
  const url = site.workflow('/pinned', async (context) => context.run('step', () => opened))
  const { flowControl } = site.qstashClient
  await flowControl.pin(site.id, { parallelism: 1, rate: 90, period: 60 })
  const runs = await site.client.trigger(
    five.map(() => ({ url, flowControl: { key: site.id, parallelism: 5 } })),
  )
  await until(() => expect(site.received).toHaveLength(1))
  await pass(500)
  expect(site.received).toHaveLength(1)
  expect(await limitsOf(site)).toMatchObject({
    parallelismMax: 1,
    isPinnedParallelism: true,
    rateMax: 90,
    ratePeriod: 60,
    isPinnedRate: true,
    waitListSize: 4,
  })
  await flowControl.unpin(site.id, { parallelism: true })
  await until(() => expect(site.received).toHaveLength(5))
  expect(await limitsOf(site)).toMatchObject({ isPinnedParallelism: false, isPinnedRate: true })
  open()
  await allEnded(site, runs)
})

test('resetting the rate starts a new period', async () => {
  const site = openSite()
  const url = site.workflow('/reset', async (context) => void (await context.run('step', () => 'ok')))
  const run = await site.client.trigger({ url, flowControl: { key: site.id, rate: 1, period: '1d' } })
  await until(async () => expect((await limitsOf(site)).waitListSize).toBe(1))
  expect(site.received).toHaveLength(1)
  await site.qstashClient.flowControl.resetRate(site.id)
  await allEnded(site, [run])
})

test('a call has a limit of its own, and none of its run', async () => {
  const site = openSite()
  const { opened, open } = gate()
  site.app.get('/api', async (c) => {
    await opened
    return c.text('ok')
  })
  const own = `${site.id}-call`
  const calling = site.workflow('/calling', async (context) => {
    const flowControl = { key: own, parallelism: 1 }
    await context.call('ask', { url: `${site.url}/api`, flowControl })
  })
  const other = site.workflow('/other', async (context) => void (await context.run('step', () => 'ok')))
  const flowControl = { key: site.id, parallelism: 1 }
  const runs = await site.client.trigger([1, 2].map(() => ({ url: calling, flowControl })))
  const toApi = () => site.received.filter(({ path }) => path === '/api').length
  await until(async () => {
    expect(await site.qstashClient.flowControl.get(own)).toMatchObject({ waitListSize: 1 })
  })
  // While the call lasts, the key of the run is free.
  await allEnded(site, [await site.client.trigger({ url: other, flowControl })])
  expect(toApi()).toBe(1)
  open()
  await allEnded(site, runs)
  expect(toApi()).toBe(2)
})

test('the plan has a parallelism over all keys', async () => {
  const { parallelismMax } = await openSite().qstashClient.flowControl.getGlobalParallelism()
  expect(parallelismMax).toBeGreaterThanOrEqual(10)
})
