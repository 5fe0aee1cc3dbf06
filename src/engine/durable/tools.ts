import ms from 'ms'
import { z } from 'zod'
import { PermanentError } from '../../errors.ts'
import type { ItemTools, Json, StepOptions, StepOutcome, StepWork } from '../../workflows/contract.ts'
import type { WaitTime } from '../ledger/item-steps/begin-wait.ts'
import { callSeconds, callSettings } from './call.ts'
import { eventId, giveEventTo } from './events.ts'
import { sdkStep, type Answer, type ItemRun } from './item-run.ts'
import type { Pass, Undo } from './pass.ts'
import { performStep } from './perform.ts'
import { startWaiting, stopWaiting, takeAnswer, type Waiting } from './wait.ts'

/** The tools of one pass of a handler. */
export function createTools(run: ItemRun, pass: Pass): ItemTools {
  const { context, services, workflow, item } = run
  const sdkName = (name: string) => `${workflow.name}:${name}`

  const step = (name: string, work: StepWork<Json | void>, options?: StepOptions) =>
    pass.answer(name, () => sdkStep(run, name, () => performStep(run, name, work, options)))

  /** Begins a wait, lets the SDK wait, and ends it. */
  const wait = (
    name: string,
    begin: { kind: 'sleep' | 'event' | 'call'; time: WaitTime },
    meanwhile: (waiting: Waiting) => Promise<() => Promise<Answer>>,
  ): Promise<Json> => {
    const waited = async () => {
      const begun = await sdkStep(run, `${name}:begin`, () => startWaiting(run, name, begin))
      if (begun.is !== 'waiting') return begun
      const end = await meanwhile(begun)
      return await sdkStep(run, `${name}:end`, end)
    }
    return pass.value(name, pass.answer(name, waited))
  }
  const over = (name: string) => () => stopWaiting(run, name, { status: 'over' })

  const sleep = async (name: string, time: WaitTime) => {
    await wait(name, { kind: 'sleep', time }, async ({ seconds }) => {
      await context.sleep(sdkName(name), seconds)
      return over(name)
    })
  }

  return {
    // What the work returns is what the ledger gives back: JSON, and null for nothing.
    step: <T extends Json | void>(name: string, work: StepWork<T>, options?: StepOptions) =>
      pass.value(name, step(name, work, options)) as Promise<T>,

    async parallel<Steps extends Record<string, StepWork<Json | void>>>(steps: Steps, options?: StepOptions) {
      // All at once, so that the SDK sees them as parallel.
      const outcomes = Object.entries(steps).map(
        async ([name, work]): Promise<[string, StepOutcome<Json>]> => [
          name,
          await pass.outcome(name, step(name, work, options)),
        ],
      )
      return Object.fromEntries(await Promise.all(outcomes)) as {
        [Name in keyof Steps]: StepOutcome<Awaited<ReturnType<Steps[Name]>>>
      }
    },

    sleep: (name, duration) => sleep(name, { seconds: ms(duration) / 1000 }),
    sleepUntil: (name, time) => sleep(name, { until: parsedTime(time) }),

    async waitForEvent(name, { data, timeout }) {
      const time = { seconds: ms(timeout) / 1000 }
      const given = await wait(name, { kind: 'event', time }, async ({ seconds }) => {
        const id = await eventId(services, item, name)
        await context.waitForEvent(sdkName(name), id, { timeout: seconds })
        return over(name)
      })
      if (given === null) return null
      const parsed = z.object({ data }).safeParse(given)
      if (parsed.success) return parsed.data.data
      throw new PermanentError(`the event ${name} does not fit: ${z.prettifyError(parsed.error)}`)
    },

    call: <T extends Json>(
      name: string,
      request: Parameters<ItemTools['call']>[1],
      options: StepOptions = {},
    ) => {
      const time = { seconds: callSeconds(run, options) }
      return wait(name, { kind: 'call', time }, async () => {
        const made = await request({ ai: services.callAi })
        const { status, header, body } = await context.call(sdkName(name), callSettings(run, made, options))
        const text = typeof body === 'string' ? body : JSON.stringify(body)
        return () => takeAnswer(run, name, made, { status, headers: header, body: text })
      }) as Promise<T>
    },

    notify: (name, to, data) =>
      pass.value(
        name,
        step(name, () => giveEventTo(services, to, data)),
      ) as Promise<boolean>,

    compensate(name, undo, options = {}) {
      pass.undos.push({ step: name, undo: undo as Undo['undo'], options })
    },
  }
}

function parsedTime(time: string): string {
  const parsed = new Date(time)
  if (Number.isNaN(parsed.getTime())) throw new PermanentError(`${JSON.stringify(time)} is no time`)
  return parsed.toISOString()
}
