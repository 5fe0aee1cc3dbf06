import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { isItem, qstash } from '../support/deliveries.ts'
import { resetEverything } from '../support/rounds.ts'
import { started } from '../support/started.ts'
import { defaultPages } from '../support/toy.ts'
import { lane } from '../support/lane.ts'

beforeEach(resetEverything)

const logSchema = z.object({ runs: z.array(z.object({ workflowState: z.string() })) })

/** How many of a batch's runs of layer 3 are in a state at QStash. */
async function itemRuns(batchId: string, state: string): Promise<number> {
  const url = `${lane.services.qstash}/v2/workflows/logs?label=${batchId}&state=${state}&count=5000&path=/api/workflows/toy/execute-user`
  const response = await fetch(url, {
    headers: { authorization: `Bearer ${lane.bindings.QSTASH_TOKEN}` },
  })
  return logSchema.parse(await response.json()).runs.length
}

describe('runs of a cancelled batch', () => {
  test('whose items no delivery had reached are dropped at QStash, all of them', async () => {
    const { act, deliver, worked, id, now } = await started(150, defaultPages)
    await deliver({ concurrency: 1, until: () => worked.length === 1 })
    await qstash('/v2/flowControl/local.toy.execute/pause', {})
    let allThere = false
    const delivering = deliver({ until: () => allThere })
    // A page that is recorded has yet to hand out its chunks.
    while ((await itemRuns(id, 'RUN_STARTED')) < 140) await new Promise((resolve) => setTimeout(resolve, 50))
    allThere = true
    await delivering

    await act('cancel')
    // Four deliveries are under way at a time.
    expect(await itemRuns(id, 'RUN_STARTED')).toBeLessThanOrEqual(4)
    await qstash('/v2/flowControl/local.toy.execute/resume', {})
    expect((await deliver()).length).toBeLessThanOrEqual(4)
    expect(await now()).toMatchObject({ status: 'cancelled', counts: { queued: 0, running: 0 } })
  })

  test('are dropped as well when they were tried before', async () => {
    const { act, deliver, id, now } = await started(3, {
      work: () => {
        throw new Error('again')
      },
    })
    let tried = 0
    await deliver({
      concurrency: 1,
      fate: (delivery) => {
        if (isItem(delivery)) tried += 1
        return 'normal'
      },
      until: () => tried === 3,
    })
    await act('cancel')
    expect(await itemRuns(id, 'RUN_CANCELED')).toBe(3)
    expect(await deliver()).toEqual([])
    expect((await now()).counts).toMatchObject({ cancelled: 3, running: 0 })
    expect(await itemRuns(id, 'RUN_STARTED')).toBe(0)
  })

  test('end by themselves when QStash cannot be told', async () => {
    const { cutOff, deliver, worked, id, now } = await started(60)
    await deliver({ concurrency: 1, until: () => worked.length === 5 })
    expect((await cutOff.call('POST', `/api/admin/batches/${id}/cancel`)).status).toBe(200)
    await deliver()
    expect(worked.length).toBeLessThanOrEqual(6)
    expect(await now()).toMatchObject({ status: 'cancelled', counts: { queued: 0, running: 0 } })
  })
})

test('runs that a resume has replaced are dropped at QStash, however often it is pressed', async () => {
  const { act, deliver, worked, id, now } = await started(40)
  await deliver({ concurrency: 1, until: () => worked.length === 1 })
  await qstash('/v2/flowControl/local.toy.execute/pause', {})
  for (let press = 0; press < 3; press += 1) {
    await act('pause')
    await act('resume')
    let allThere = false
    const delivering = deliver({ until: () => allThere })
    while ((await itemRuns(id, 'RUN_STARTED')) < 38) await new Promise((resolve) => setTimeout(resolve, 50))
    allThere = true
    await delivering
    expect(await itemRuns(id, 'RUN_STARTED')).toBeLessThanOrEqual(40)
  }
  await qstash('/v2/flowControl/local.toy.execute/resume', {})
  const delivered = await deliver()
  expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 40 } })
  // Two deliveries an item: nothing is left of the runs before.
  expect(delivered.filter(({ path }) => path.endsWith('/execute-user')).length).toBeLessThanOrEqual(80)
})
