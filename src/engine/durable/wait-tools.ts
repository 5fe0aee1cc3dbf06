import ms from 'ms'
import { z } from 'zod'
import { PermanentError } from '../../errors.ts'
import type { ItemTools, Json } from '../../workflows/contract.ts'
import type { WaitTime } from '../ledger/item-steps/begin-wait.ts'
import { callSeconds, callSettings } from './call.ts'
import { eventId } from './events.ts'
import { eventPrefix } from '../ledger/item-steps/give-event.ts'
import { runId } from '../names.ts'
import { returned, sdkStep, type Answer, type ItemRun } from './item-run.ts'
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
    meanwhile: (waiting: Waiting) => Promise<() => Promise<Answer>>,
  ): Promise<Json> => {
    // What anybody may give has names of its own.
    const ledgerName = begin.kind === 'event' ? eventPrefix + name : name
    const waited = async () => {
      const begun = await sdkStep(run, `${name}:begin`, () => startWaiting(run, ledgerName, begin))
      if (begun.is !== 'waiting') return begun
      const end = await meanwhile(begun)
      return await sdkStep(run, `${name}:end`, end)
    }
    return pass.value(name, pass.answer(name, waited, { isWait: true, ledgerName }))
  }
  const over = (name: string) => () => stopWaiting(run, name, { status: 'over' })

  const sleep = async (name: string, time: WaitTime) => {
    await wait(name, { kind: 'sleep', time }, async ({ seconds }) => {
      for (let n = 1, left = seconds; left > 0; n += 1, left -= longestDelay) {
        await context.sleep(sdkName(n === 1 ? name : `${name}:${n}`), Math.min(left, longestDelay))
      }
      return over(name)
    })
  }

  return {
    sleep: (name, duration) => sleep(name, { seconds: ms(duration) / 1000 }),
    sleepUntil: (name, time) => sleep(name, { until: parsedTime(time) }),

    async waitForEvent(name, { data, timeout }) {
      const time = { seconds: ms(timeout) / 1000 }
      const given = await wait(name, { kind: 'event', time }, async ({ seconds }) => {
        const id = await eventId(services, item, name)
        await context.waitForEvent(sdkName(name), id, { timeout: seconds })
        return over(eventPrefix + name)
      })
      if (given === null) return null
      const parsed = z.object({ data }).safeParse(given)
      if (parsed.success) return parsed.data.data
      throw new PermanentError(`the event ${name} does not fit: ${z.prettifyError(parsed.error)}`)
    },

    call: (name, request, options = {}) => {
      const time = { seconds: callSeconds(run, options) }
      const called = wait(name, { kind: 'call', time }, async () => {
        const key = await runId([services.env.ENVIRONMENT, item.batchId, item.itemId, name, 'call'])
        const made = await request({ ai: services.callAi, key })
        const { status, header, body } = await context.call(sdkName(name), callSettings(run, made, options))
        const text = typeof body === 'string' ? body : JSON.stringify(body)
        return () => takeAnswer(run, name, made, { status, headers: header, body: text })
      })
      return returned(called)
    },
  }
}

function parsedTime(time: string): string {
  const parsed = new Date(time)
  if (Number.isNaN(parsed.getTime())) throw new PermanentError(`${JSON.stringify(time)} is no time`)
  return parsed.toISOString()
}
