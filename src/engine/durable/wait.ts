import { RetryLaterError } from '../../errors.ts'
import type { CallAnswer, CallRequest, Json, Usage } from '../../workflows/contract.ts'
import { checkStorable } from '../do-work.ts'
import { itemError } from '../item-error.ts'
import { passOn, passOnAgain } from '../layers/pass-on.ts'
import type { Beginning } from '../ledger/item-steps/begin-step.ts'
import { beginWait, type WaitTime } from '../ledger/item-steps/begin-wait.ts'
import { endWait, type WaitEnd } from '../ledger/item-steps/end-wait.ts'
import { itemState } from '../ledger/item-state.ts'
import { atClosedGate } from './closed-gate.ts'
import { failedBefore, over, type Answer, type ItemRun } from './item-run.ts'
import { leftBefore } from './left-before.ts'
import { newRun } from './new-run.ts'
import { putOff } from './put-off.ts'
import { triggerItem } from '../trigger.ts'

/** The item waits, for so many seconds. `round` is part of the key of a call. */
export type Waiting = { is: 'waiting'; seconds: number; round: number }

type Wait = { kind: 'sleep' | 'event' | 'call'; time: WaitTime; answerTo?: string | null }

/** Lets the item wait, and passes on the room that this makes. */
export async function startWaiting(
  run: ItemRun,
  step: Pick<Beginning, 'name' | 'undoable' | 'turn'>,
  { kind, time, answerTo = null }: Wait,
): Promise<Answer | Waiting> {
  const { services, workflow, item } = run
  const wait = { kind, time, answerTo, pageSize: item.pageSize }
  const begun = await beginWait(services.db, { ...item, ...step }, wait)
  switch (begun.outcome) {
    case 'done':
      return { is: 'done', value: begun.result, workMs: 0 }
    case 'closed':
      return await atClosedGate(run, begun.batchStatus)
    case 'spent':
      return await newRun(run, 'put_off')
    case 'failed':
      return failedBefore(begun.error)
    case 'superseded':
      return await leftBefore(run)
    case 'waiting': {
      const { seconds, round, nextPage, batchStatus, repeated } = begun
      if (!repeated)
        await passOn(services, workflow, item, { nextPage, batchStatus, made: null, isInvoked: false })
      // Whoever began the wait may have died before it could pass anything on.
      const state = repeated ? await itemState(services.db, item) : undefined
      if (state !== undefined) await passOnAgain(services, workflow, item, state)
      return { is: 'waiting', seconds, round }
    }
  }
}

/** Lets the item go on after a wait, unless its gate is closed. */
export async function stopWaiting(
  run: ItemRun,
  name: string,
  end: WaitEnd,
  called: Usage = none,
): Promise<Answer> {
  const { services, workflow, item } = run
  const woken = await endWait(services.db, { ...item, name }, end, item, called)
  switch (woken.outcome) {
    case 'woken':
      return { is: 'done', value: woken.result, workMs: 0 }
    case 'cancelled':
      return { is: 'cancelled' }
    case 'closed':
      return over(`batch is ${woken.batchStatus}`)
    case 'crowded':
      await triggerItem(services, workflow, { ...item, attempt: woken.attempt })
      return over('the budget is reserved for items at work: a new run asks for room')
    case 'superseded':
      return await leftBefore(run)
  }
}

const none: Usage = { inputTokens: 0, outputTokens: 0 }

/** Reads the answer to a call, and lets the item go on with it. */
export async function takeAnswer(
  run: ItemRun,
  name: string,
  request: CallRequest<Json>,
  answer: CallAnswer,
): Promise<Answer> {
  let used = none
  let result: Json
  try {
    used = (await request.usage?.(answer)) ?? none
    result = await request.read(answer)
    checkStorable(result)
  } catch (error) {
    const described = await itemError(error, name, run.item.itemId)
    if (error instanceof RetryLaterError) {
      const woken = await stopWaiting(run, name, { status: 'again', error: described }, used)
      return woken.is === 'done' ? await putOff(run, error, described) : woken
    }
    const woken = await stopWaiting(run, name, { status: 'failed', error: described }, used)
    if (woken.is !== 'done') return woken
    return { is: 'failed', error: described, workMs: 0 }
  }
  return await stopWaiting(run, name, { status: 'answered', result }, used)
}
