import { expect, test } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { alone } from '../support/deployed.ts'
import { deployment } from './deployment.ts'

// Fifty items a second, so that there is a middle to interfere in.
const { call, batch, stack } = await deployment({
  population: { users: 200, agents: 0 },
  flowControlFactor: 10,
  serve: alone,
})

const start = '/api/admin/workflows/welcome-placeholder/batches'

/** Starts a batch and waits until it has ended this many items. */
async function underWay(items: number) {
  const { body } = await call('POST', start, { force: true })
  const id = String(Reflect.get(Object(body), 'id'))
  while ((await batch(id)).counts.succeeded < items) await sleep(50)
  return { id, act: (action: string) => call('POST', `/api/admin/batches/${id}/${action}`) }
}

const ended = ({ succeeded, skipped, failed, cancelled }: Awaited<ReturnType<typeof batch>>['counts']) =>
  succeeded + skipped + failed + cancelled

test('a batch is paused, resumed and finished, and nothing is done twice', async () => {
  const { id, act } = await underWay(20)
  expect((await act('pause')).status).toBe(200)
  expect((await call('POST', start)).status).toBe(409)
  await stack.qstash.idle()
  const paused = await batch(id)
  expect(paused.status).toBe('paused')
  expect(paused.counts.succeeded).toBeLessThan(paused.counts.recorded)

  expect((await act('resume')).status).toBe(200)
  await stack.qstash.idle({ timeoutMs: 60_000 })
  const done = await batch(id)
  expect(done.status).toBe('completed')
  expect(done.counts.succeeded).toBe(done.counts.recorded)
  expect(stack.model.stats().requests).toBe(done.counts.recorded)
})

test('a batch is cancelled in the middle, and every item has one end', async () => {
  const { id, act } = await underWay(20)
  expect((await act('cancel')).status).toBe(200)
  await stack.qstash.idle()
  const { status, counts } = await batch(id)
  expect(status).toBe('cancelled')
  expect(counts.cancelled).toBeGreaterThan(0)
  expect(ended(counts)).toBe(counts.recorded)
})
