import { expect, test } from 'vitest'
import { z } from 'zod'
import { alone } from '../support/deployed.ts'
import { deployment } from './deployment.ts'

const { run, call, stack } = await deployment({ population: { users: 200, agents: 0 }, serve: alone })

const items = z.object({
  data: z.array(z.object({ id: z.string(), error: z.object({ message: z.string() }) })),
})

test('a model that answers 500 to one item in ten for good costs just those items', async () => {
  const faults = await fetch(`${new URL(stack.model.url).origin}/local/faults`, {
    method: 'POST',
    body: JSON.stringify({ rules: [{ every: 10, status: 500 }] }),
  })
  expect(faults.ok).toBe(true)

  const started = Date.now()
  const { id, status, counts } = await run('welcome-placeholder')
  expect(Date.now() - started).toBeLessThan(30_000)
  expect(status).toBe('completed')
  expect(counts.recorded).toBe(counts.succeeded + counts.skipped + counts.failed + counts.cancelled)
  expect(counts.failed).toBeGreaterThan(0)
  expect(counts.failed).toBeLessThan(counts.recorded / 4)
  expect(counts.succeeded).toBe(counts.recorded - counts.failed)

  const failed = items.parse(
    (await call('GET', `/api/admin/batches/${id}/items?status=failed&limit=200`)).body,
  )
  expect(failed.data.length).toBe(counts.failed)
  for (const { error } of failed.data) expect(error.message).not.toBe('')

  // The model has recovered: the next batch works on just the ones that failed.
  await fetch(`${new URL(stack.model.url).origin}/local/faults`, {
    method: 'POST',
    body: JSON.stringify({ rules: [] }),
  })
  expect((await run('welcome-placeholder')).counts).toMatchObject({
    recorded: counts.failed,
    succeeded: counts.failed,
  })
})
