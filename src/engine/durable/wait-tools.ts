import { z } from 'zod'
import { PermanentError } from '../../errors.ts'
import type { CallRequest, ItemTools, Json } from '../../workflows/contract.ts'
import { secondsOf } from '../../workflows/duration.ts'
import { itemError } from '../item-error.ts'
import type { WaitTime } from '../ledger/item-steps/begin-wait.ts'
import { eventPrefix } from '../ledger/item-steps/give-event.ts'
import { noteActed } from '../ledger/item-steps/note-acted.ts'
import { refuseEvent } from '../ledger/item-steps/refuse-event.ts'
import { callSeconds, callSettings } from './call.ts'
import { eventId } from './events.ts'
import { returned, sdkStep, shownError, type Answer, type Answering, type ItemRun } from './item-run.ts'
import type { Pass } from './pass.ts'
import { stepKey } from './step-key.ts'
import { checkOptions } from './step-options.ts'
import { startWaiting, stopWaiting, takeAnswer, type Waiting } from './wait.ts'

type Wait = {
  name: string
  kind: 'sleep' | 'event' | 'call'
  time: WaitTime
  /** The step whose answer is waited for, where the handler says so. */
  answerTo?: string | null
  /** Lets the SDK wait. @returns what it comes to; undefined: the time is over, or the event was given. */
  meanwhile: (waiting: Waiting) => Promise<(() => Promise<Answer>) | undefined>
  /** It sends, charges or changes something. Left out: it does not. */
  acts?: (waiting: Waiting) => Promise<boolean>
}

/** The tools of a handler that let its item wait. */
export const waitTools = (
  run: ItemRun,
  pass: Pass,
): Pick<ItemTools, 'sleep' | 'sleepUntil' | 'waitForEvent' | 'call'> => ({
  ...sleepTools(run, pass),
  waitForEvent: eventTool(run, pass),
  call: callTool(run, pass),
})

const sdkName = ({ workflow }: ItemRun, name: string) => `${workflow.name}:${name}`

/** Begins a wait, lets the SDK wait, and ends it as that says. */
function waitIn(run: ItemRun, pass: Pass, wait: Wait): Answering {
  const { name, kind, meanwhile, acts } = wait
  // What anybody may give has names of its own.
  const ledgerName = kind === 'event' ? eventPrefix + name : name
  const begin = async () => {
    const begun = await startWaiting(run, pass.beginning(name, ledgerName), wait)
    if (begun.is === 'waiting' && (await acts?.(begun)) === true)
      await noteActed(run.services.db, { ...run.item, name: ledgerName })
    return begun
  }
  const waited = async () => {
    const begun = await sdkStep(run, `${name}:begin`, begin)
    if (begun.is !== 'waiting') return begun
    const come = await meanwhile(begun)
    return await sdkStep(run, `${name}:end`, come ?? (() => stopWaiting(run, ledgerName, { status: 'over' })))
  }
  return pass.answer(name, waited, { kind, ledgerName })
}

/** Seconds that QStash delays a message at most on every plan; a longer sleep is several. */
const longestDelay = 7 * 86_400

function sleepTools(run: ItemRun, pass: Pass): Pick<ItemTools, 'sleep' | 'sleepUntil'> {
  const sleep = async (name: string, time: WaitTime) => {
    const meanwhile = async ({ seconds }: Waiting) => {
      for (let n = 1, left = seconds; left > 0; n += 1, left -= longestDelay) {
        await run.context.sleep(sdkName(run, n === 1 ? name : `${name}:${n}`), Math.min(left, longestDelay))
      }
      return undefined
    }
    await pass.value(waitIn(run, pass, { name, kind: 'sleep', time, meanwhile }))
  }
  return {
    sleep: (name, duration) => sleep(name, { seconds: secondsOf(duration) }),
    sleepUntil: (name, time) => sleep(name, { until: parsedTime(time) }),
  }
}

const eventTool =
  (run: ItemRun, pass: Pass): ItemTools['waitForEvent'] =>
  async (name, { data, timeout, answerTo = null }) => {
    checkDeclared(run, name)
    const time = { seconds: secondsOf(timeout) }
    const meanwhile = async ({ seconds }: Waiting) => {
      const id = await eventId(run.services, run.item, name)
      await run.context.waitForEvent(sdkName(run, name), id, { timeout: seconds })
      return undefined
    }
    const event = z.object({ data }).nullable()
    const come = waitIn(run, pass, { name, kind: 'event', time, answerTo, meanwhile })
    const given = event.parse(await pass.value(judged(run, name, event, come)))
    return given?.data ?? null
  }

/**
 * @throws PermanentError when nobody can give an event, since the definition does not declare it. `approval` and `invoke` wait
 * for events of their own, which are called after their step.
 */
function checkDeclared({ workflow }: ItemRun, name: string): void {
  if (workflow.events === null || name.includes('.') || Object.hasOwn(workflow.events, name)) return
  throw new PermanentError(`the handler waits for the event ${name}, which the definition does not declare`)
}

/** Fails a wait for an event that is none which was waited for, also one that came while nobody could take it. */
async function judged(run: ItemRun, name: string, event: z.ZodType, come: Answering): Answering {
  const answer = await come
  if (answer.is !== 'done') return answer
  const misfit = event.safeParse(answer.value).error
  if (misfit === undefined) return answer
  return await sdkStep(run, `${name}:refuse`, async () => {
    const problem = new PermanentError(`the event ${name} does not fit: ${z.prettifyError(misfit)}`)
    const error = await itemError(problem, name, run.item.itemId)
    await refuseEvent(run.services.db, { ...run.item, name: eventPrefix + name }, shownError(error))
    return { is: 'failed', error, workMs: 0 }
  })
}

const callTool =
  (run: ItemRun, pass: Pass): ItemTools['call'] =>
  (name, request, options = {}) => {
    const { services, workflow, context } = run
    checkOptions(workflow, name, options)
    const make = async ({ round }: Waiting) =>
      await request({ ai: services.callAi, key: await stepKey(run, name, round) })
    const meanwhile = async (waiting: Waiting) => {
      const made = await make(waiting)
      const settings = callSettings(run, made, options)
      const { status, header, body } = await context.call(sdkName(run, name), settings)
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      return () => takeAnswer(run, name, made, { status, headers: header, body: text })
    }
    const acts = async (waiting: Waiting) => !isSafe(await make(waiting))
    const time = { seconds: callSeconds(run, options) }
    return returned(pass.value(waitIn(run, pass, { name, kind: 'call', time, meanwhile, acts })))
  }

const isSafe = ({ method, safe }: CallRequest<Json>) => safe ?? method === 'GET'

function parsedTime(time: string): string {
  const parsed = new Date(time)
  if (Number.isNaN(parsed.getTime())) throw new PermanentError(`${JSON.stringify(time)} is no time`)
  return parsed.toISOString()
}
