import type { Courier } from './deliver.ts'
import type { Lane } from './lane.ts'
import { batchRows, type BatchRow } from './ledger.ts'
import type { Operators } from './operators.ts'

const minute = 60_000
const tick = '*/5 * * * *'

/** Ticks after which whatever can be healed is healed. */
const patience = 4
const mostResumes = 6

const isOpen = ({ status, unfinished }: BatchRow) =>
  unfinished > 0 || ['starting', 'running', 'paused', 'queued'].includes(status)
const isHeld = ({ pausedBy, reason, isKilled }: BatchRow) =>
  isKilled || pausedBy === 'operator' || (pausedBy !== null && reason !== null)

/**
 * Nothing goes wrong any more. Each batch has to end, or to be held with a reason, without anybody's help but the tick's; what
 * is held, an operator resumes.
 *
 * @returns what is wrong.
 */
export async function recover(parts: {
  lane: Lane
  courier: Courier
  operators: Operators
}): Promise<string[]> {
  const { lane, courier, operators } = parts
  for (let resumes = 0; resumes <= mostResumes; resumes += 1) {
    const open = await untilHeld(lane, courier)
    const left = open.filter((batch) => !isHeld(batch))
    if (left.length > 0) {
      return [`nobody goes on with ${left.map(({ id, status }) => `${id} (${status})`).join(', ')}`]
    }
    if (open.length === 0) return []
    await operators.resumeAll()
  }
  return ['a batch does not end, however often it is resumed']
}

/** The batches that are still open when each of them is held, or the ticks have had their time. */
async function untilHeld(lane: Lane, courier: Courier): Promise<BatchRow[]> {
  for (let ticks = 0; ; ticks += 1) {
    await courier.run()
    const open = (await batchRows(lane.db)).filter(isOpen)
    if (ticks === patience || open.every(isHeld)) return open
    await lane.advance(6 * minute)
    await lane.tick(tick)
  }
}
