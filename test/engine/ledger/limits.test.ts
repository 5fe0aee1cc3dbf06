import { beforeEach, expect, test } from 'vitest'
import { changeLimits } from '../../../src/engine/ledger/change-limits.ts'
import { pauseBatch } from '../../../src/engine/ledger/pause-batch.ts'
import { findBatch } from '../../../src/engine/ledger/read-batches.ts'
import { pagePosition } from '../../../src/engine/ledger/record-page.ts'
import { resumeBatch } from '../../../src/engine/ledger/resume-batch.ts'
import { resetEverything } from '../../support/rounds.ts'
import { insertUsers } from '../../support/population.ts'
import { begunBatch, by, record, services, workflow } from './ledger.ts'

beforeEach(resetEverything)

const { db } = services
const noPrices = { inputUsdPerMillion: null, outputUsdPerMillion: null }

test('a page that was being read when maxOutstanding was lowered below its size is not recorded', async () => {
  await insertUsers(db, 20)
  const id = await begunBatch(db, 'one')
  const position = await pagePosition(db, workflow, id, 1)
  await changeLimits(db, id, workflow.pageSize, { maxOutstanding: 5 }, noPrices, by)
  const size = position?.size ?? 0
  expect(size).toBeGreaterThan(5)
  expect(await record(db, id, 1, null, size)).toBeUndefined()
  expect(await findBatch(db, id)).toMatchObject({ recorded: 0, pages: 0, awaitingRoom: false })
})

test('a larger budget does not open the gate that somebody else has closed meanwhile', async () => {
  await insertUsers(db, 1)
  const id = await begunBatch(db, 'one')
  await pauseBatch(db, id, 'operator', by)
  expect(await resumeBatch(db, id, by, { onlyPausedBy: 'budget' })).toEqual({ outcome: 'inactive' })
  expect(await findBatch(db, id)).toMatchObject({ status: 'paused', pausedBy: 'operator' })
  expect(await resumeBatch(db, id, by)).toMatchObject({ outcome: 'resumed' })
})
