import { expect } from 'vitest'
import { endedAs, openSite, pass, stepsIn, test } from './support.ts'

test('a run of k sequential steps costs k + 1 deliveries', async () => {
  const site = openSite()
  const url = site.workflow('/count', async (context) => {
    const one = await context.run('one', () => 1)
    const two = await context.run('two', () => one + 1)
    return context.run('three', () => two + 1)
  })
  const { workflowRunId } = await site.client.trigger({ url })
  const run = await endedAs(site, workflowRunId)
  expect(run.workflowRunResponse).toBe('3')
  expect(site.received.map(({ method, path, status }) => [method, path, status])).toEqual(
    Array.from({ length: 4 }, () => ['POST', '/count', 200]),
  )
})

test('what steps return comes back as it was', async () => {
  const site = openSite()
  const values = [null, 0, '', 'ü "quoted" \\ \n 🎈', { deep: [{ list: [1, 2] }] }, false]
  const seen: unknown[] = []
  const url = site.workflow('/values', async (context) => {
    const results: unknown[] = []
    for (const [index, value] of values.entries()) results.push(await context.run(`${index}`, () => value))
    results.push(await context.run('nothing', () => {}))
    seen.push(results)
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await endedAs(site, workflowRunId)
  expect(seen).toEqual([[...values, undefined]])
})

test('a delivery carries the log of the run from the payload up to its own message', async () => {
  const site = openSite()
  const url = site.workflow('/log', async (context) => {
    await context.run('one', () => 'first')
    await context.run('two', () => 'second')
  })
  const { workflowRunId } = await site.client.trigger({ url, body: 'payload' })
  await endedAs(site, workflowRunId)
  const logs = site.received.map(stepsIn)
  expect(logs.map((log) => log.length)).toEqual([1, 2, 3])
  const [payload, one, two] = logs[2] ?? []
  expect(payload?.body).toBe('payload')
  const step = { stepType: 'Run', concurrent: 1 }
  expect(JSON.parse(one?.body ?? '')).toEqual({ stepId: 1, stepName: 'one', out: '"first"', ...step })
  expect(JSON.parse(two?.body ?? '')).toEqual({ stepId: 2, stepName: 'two', out: '"second"', ...step })
  for (const [index, log] of logs.entries()) {
    expect(log).toEqual(logs[2]?.slice(0, index + 1))
    expect(log.every(({ callType }) => callType === 'step')).toBe(true)
    expect(site.received[index]?.headers.get('upstash-message-id')).toBe(log.at(-1)?.messageId)
  }
})

test('a sleep keeps a run from going on for its time', async () => {
  const site = openSite()
  const url = site.workflow('/sleep', async (context) => {
    await context.sleep('a second', '1s')
    await context.run('wake', () => 'awake')
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await endedAs(site, workflowRunId)
  const [slept, woke] = site.received
  expect(site.received).toHaveLength(3)
  expect((woke?.at ?? 0) - (slept?.at ?? 0)).toBeGreaterThan(950)
})

test('sleepUntil lasts to the exact time of the step, not the rounded one of its header', async () => {
  const site = openSite()
  // Its header says a time that is 0.4 seconds earlier.
  const wakeAt = Math.ceil(Date.now() / 1000) + 1.4
  const url = site.workflow('/until', async (context) => {
    await context.sleepUntil('later', wakeAt)
    await context.run('wake', () => 'awake')
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await endedAs(site, workflowRunId)
  expect(site.received[1]?.at).toBeGreaterThan(wakeAt * 1000 - 100)
})

test('sleeping until a time that has passed costs no time', async () => {
  const site = openSite()
  const url = site.workflow('/past', async (context) => {
    await context.sleepUntil('earlier', new Date(Date.now() - 60_000))
    await context.run('wake', () => 'awake')
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await endedAs(site, workflowRunId)
  expect(site.received).toHaveLength(3)
})

test('a run can end itself as cancelled', async () => {
  const site = openSite()
  const url = site.workflow('/cancelling', async (context) => {
    await context.run('first', () => 1)
    await context.cancel()
    await context.run('second', () => 2)
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await endedAs(site, workflowRunId, 'RUN_CANCELED')
  expect(site.received).toHaveLength(2)
})

const branches = ['a', 'b', 'c', 'd']

test('n parallel branches cost 2n deliveries, and exactly one of them goes on', async () => {
  const site = openSite()
  const ran: string[] = []
  const url = site.workflow('/parallel', async (context) => {
    const results = await Promise.all(
      branches.map((name) => context.run(name, () => ran.push(name) && name.toUpperCase())),
    )
    await context.run('after', () => ran.push(results.join('')))
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await endedAs(site, workflowRunId)
  await pass(500)
  expect(ran.slice(0, 4).toSorted()).toEqual(branches)
  expect(ran.slice(4)).toEqual(['ABCD'])
  expect(site.received).toHaveLength(1 + 2 * branches.length + 1)
})

test('the messages of a run have one order, and each delivery a log up to its own', async () => {
  const site = openSite()
  const url = site.workflow('/ordered', async (context) => {
    await Promise.all(branches.map((name) => context.run(name, () => pass(Math.random() * 50))))
    await context.run('after', () => 'ok')
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await endedAs(site, workflowRunId)
  const logs = site.received.map(stepsIn).toSorted((a, b) => a.length - b.length)
  expect(logs.map((log) => log.length)).toEqual(logs.map((_, index) => index + 1))
  for (const log of logs) expect(log).toEqual(logs.at(-1)?.slice(0, log.length))
})

test('parallel branches may sleep, each for its own time', async () => {
  const site = openSite()
  const results: unknown[] = []
  const wakeAt = Date.now() / 1000 + 1.5
  const url = site.workflow('/mixed', async (context) => {
    const all = await Promise.all([
      context.sleepUntil('long', wakeAt),
      context.run('quick', () => 'quick'),
      context.sleep('short', 1),
    ])
    await context.run('done', () => results.push(all))
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await endedAs(site, workflowRunId)
  expect(results).toEqual([[undefined, 'quick', undefined]])
  expect(site.received).toHaveLength(1 + 6 + 1)
  expect(site.received.at(-2)?.at).toBeGreaterThan(wakeAt * 1000 - 100)
})

test('parallel groups may follow each other, and a branch that fails is retried alone', async () => {
  const site = openSite()
  const ran: string[] = []
  const url = site.workflow('/groups', async (context) => {
    const first = await Promise.all(['a', 'b'].map((name) => context.run(name, () => ran.push(name) && name)))
    const second = await Promise.all([
      context.run('c', () => ran.push('c') && 'c'),
      context.run('flaky', () => {
        ran.push('flaky')
        if (context.retried === 0) throw new Error('not yet')
        return 'f'
      }),
    ])
    return [...first, ...second].join('')
  })
  const { workflowRunId } = await site.client.trigger({ url, retryDelay: '100' })
  const run = await endedAs(site, workflowRunId)
  expect(run.workflowRunResponse).toBe('"abcf"')
  expect(ran.toSorted()).toEqual(['a', 'b', 'c', 'flaky', 'flaky'])
  expect(site.received).toHaveLength(1 + 4 + 4 + 1)
})
