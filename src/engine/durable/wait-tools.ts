import ms from 'ms'
import { z } from 'zod'
import { PermanentError } from '../../errors.ts'
import type { ItemTools, Json } from '../../workflows/contract.ts'
import type { WaitTime } from '../ledger/item-steps/begin-wait.ts'
import { callSeconds, callSettings } from './call.ts'
import { eventId } from './events.ts'
import { itemError } from '../item-error.ts'
import { eventPrefix } from '../ledger/item-steps/give-event.ts'
import { refuseEvent } from '../ledger/item-steps/refuse-event.ts'
import { returned, sdkStep, shownError, type Answer, type ItemRun } from './item-run.ts'
import { stepKey } from './step-key.ts'
import type { Pass } from './pass.ts'
import { startWaiting, stopWaiting, takeAnswer, type Waiting } from './wait.ts'

type WaitTools = Pick<ItemTools, 'sleep' | 'sleepUntil' | 'waitForEvent' | 'call'>
type Kind = 'sleep' | 'event' | 'call'

/** Seconds that QStash delays a message at most on every plan; a longer sleep is several. */
const longestDelay = 7 * 86_400

/** The tools of a handler that let its item wait. */
export function waitTools(run: ItemRun, pass: Pass): WaitTools {
  const { context, services, workflow, item } = run
  const sdkName = (name: string) => `${workflow.name}:${name}`

  /** Begins a wait, lets the SDK wait, and ends it as that says. */
  const wait = (
    name: string,
    begin: { kind: Kind; time: WaitTime },
    meanwhile: (waiting: Waiting, over: () => Promise<Answer>) => Promise<() => Promise<Answer>>,
    misfitOf: (come: Json) => string | null = () => null,
  ): Promise<Json> => {
    // What anybody may give has names of its own.
    const ledgerName = begin.kind === 'event' ? eventPrefix + name : name
    const over = () => stopWaiting(run, ledgerName, { status: 'over' })
    const waited = async () => {
      const begun = await sdkStep(run, `${name}:begin`, () => startWaiting(run, ledgerName, begin))
      const come =
        begun.is === 'waiting' ? await sdkStep(run, `${name}:end`, await meanwhile(begun, over)) : begun
      const misfit = come.is === 'done' ? misfitOf(come.value) : null
      if (misfit === null) return come
      return await sdkStep(run, `${name}:refuse`, () => refuse(run, name, ledgerName, misfit))
    }
    return pass.value(
      pass.answer(name, waited, { isWait: true, isUndoable: begin.kind === 'call', ledgerName }),
    )
  }

  const sleep = async (name: string, time: WaitTime) => {
    await wait(name, { kind: 'sleep', time }, async ({ seconds }, over) => {
      for (let n = 1, left = seconds; left > 0; n += 1, left -= longestDelay) {
        await context.sleep(sdkName(n === 1 ? name : `${name}:${n}`), Math.min(left, longestDelay))
      }
      return over
    })
  }

  return {
    sleep: (name, duration) => sleep(name, { seconds: ms(duration) / 1000 }),
    sleepUntil: (name, time) => sleep(name, { until: parsedTime(time) }),

    async waitForEvent(name, { data, timeout }) {
      const time = { seconds: ms(timeout) / 1000 }
      const event = z.object({ data }).nullable()
      const meanwhile = async ({ seconds }: Waiting, over: () => Promise<Answer>) => {
        const id = await eventId(services, item, name)
        await context.waitForEvent(sdkName(name), id, { timeout: seconds })
        return over
      }
      const misfitOf = (come: Json) => eventMisfit(name, event, come)
      const given = event.parse(await wait(name, { kind: 'event', time }, meanwhile, misfitOf))
      return given?.data ?? null
    },

    call: (name, request, options = {}) => {
      const time = { seconds: callSeconds(run, options) }
      const called = wait(name, { kind: 'call', time }, async ({ round }) => {
        const key = await stepKey(run, name, round)
        const made = await request({ ai: services.callAi, key })
        const { status, header, body } = await context.call(sdkName(name), callSettings(run, made, options))
        const text = typeof body === 'string' ? body : JSON.stringify(body)
        return () => takeAnswer(run, name, made, { status, headers: header, body: text })
      })
      return returned(called)
    },
  }
}

/** Why an event is none that was waited for; null: it is one. */
function eventMisfit(name: string, event: z.ZodType, come: Json): string | null {
  const { error } = event.safeParse(come)
  return error === undefined ? null : `the event ${name} does not fit: ${z.prettifyError(error)}`
}

/** Fails a wait for what has come to it. */
async function refuse(run: ItemRun, name: string, ledgerName: string, misfit: string): Promise<Answer> {
  const error = await itemError(new PermanentError(misfit), name, run.item.itemId)
  await refuseEvent(run.services.db, { ...run.item, name: ledgerName }, shownError(error))
  return { is: 'failed', error, workMs: 0 }
}

function parsedTime(time: string): string {
  const parsed = new Date(time)
  if (Number.isNaN(parsed.getTime())) throw new PermanentError(`${JSON.stringify(time)} is no time`)
  return parsed.toISOString()
}
