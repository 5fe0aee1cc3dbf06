import { sql } from 'drizzle-orm'
import ms from 'ms'
import { z } from 'zod'
import { PermanentError } from '../../src/errors.ts'
import type { ItemTools, Json, StepOptions, StepWork, Workflow } from '../../src/workflows/contract.ts'
import { qstash, type DeliveryOptions } from './deliveries.ts'
import { rounds } from './rounds.ts'

/** A test kit for authors of durable workflows: one item, from its start to its end, in as little time as it takes. */

const stepSchema = z.object({
  name: z.string(),
  kind: z.string(),
  status: z.string(),
  round: z.number(),
  tries: z.number(),
  result: z.json(),
  error: z.object({ name: z.string(), message: z.string(), step: z.string() }).nullable(),
  undoTries: z.number(),
  undoError: z.object({ name: z.string(), message: z.string(), step: z.string() }).nullable(),
  undoneAt: z.string().nullable(),
})
const itemSchema = z.object({
  status: z.string(),
  attempt: z.number(),
  handler: z.number().nullable(),
  waitingFor: z.string().nullable(),
  waitingUntil: z.string().nullable(),
  undoing: z.string().nullable(),
  error: z.object({ name: z.string(), message: z.string(), step: z.string() }).nullable(),
  steps: z.array(stepSchema),
})

/** Gaps that are skipped while an item does not wait: retries, and what paces deliveries. */
const shortWait = ms('15 minutes')

/** Starts one item by hand, with the virtual clock of the local QStash: days take milliseconds. */
export async function startOne(
  workflow: Workflow,
  itemId: string,
  {
    params = {},
    force = false,
    env = {},
    others = [],
  }: {
    params?: object
    force?: boolean
    env?: Record<string, string>
    /** Workflows that it invokes. */
    others?: readonly Workflow[]
  } = {},
) {
  const app = rounds([workflow, ...others], env)
  const path = `/api/admin/workflows/${workflow.name}/items/${encodeURIComponent(itemId)}`
  const started = await app.call('POST', path, { params, ...(force ? { force, confirm: true } : {}) })
  if (started.status !== 201) throw new Error(`${itemId} was not started: ${JSON.stringify(started.body)}`)
  const { batchId } = z.object({ batchId: z.string() }).parse(started.body)
  const item = async () => {
    const { body } = await app.call(
      'GET',
      `/api/admin/batches/${batchId}/items/${encodeURIComponent(itemId)}`,
    )
    return itemSchema.parse(body)
  }
  return {
    ...app,
    batchId,
    item,
    act: (action: string, body?: unknown) =>
      app.call('POST', `/api/admin/batches/${batchId}/${action}`, body),
    now: () => app.batch(batchId),
    /** Runs the item to its end, skipping whatever it waits for. */
    run: async (options: DeliveryOptions = {}) => {
      await app.deliver(options)
      return await item()
    },
    /** Runs the item until it has ended or waits for longer than a retry does. */
    runUntilWaiting: async (options: DeliveryOptions = {}) => {
      await app.deliver({ longestSkipMs: shortWait, ...options })
      return await item()
    },
    /** Lets time pass at QStash, and nothing else happen: what reads a clock of its own, as an approval does, sees none of it. */
    later: (duration: ms.StringValue) => qstash('/local/clock/advance', { ms: ms(duration) }),
    /** Gives the item an event, whether it waits for it by now or not. False: it is refused, or does not count. */
    give: async (event: string, data: Json) =>
      (await app.call('POST', `${path}/events/${encodeURIComponent(event)}`, { data })).status === 200,
    /** Decides what a person is asked about the item. */
    decide: async (decision: 'approved' | 'rejected', reason?: string) => {
      const { body } = await app.call('GET', `/api/admin/approvals?workflow=${workflow.name}`)
      const asked = z.object({ data: z.array(z.object({ id: z.string(), itemId: z.string() })) }).parse(body)
      const approval = asked.data.findLast((candidate) => candidate.itemId === itemId)
      if (approval === undefined) throw new Error(`nobody is asked about ${itemId}`)
      return await app.call('POST', `/api/admin/approvals/${approval.id}`, { decision, reason })
    },
    /** The steps in the order in which they were begun. */
    history: async () => (await item()).steps,
    /** What has become of each step, in one word: `done`, `failed`, `undone` … */
    statuses: async () => Object.fromEntries((await item()).steps.map(({ name, status }) => [name, status])),
  }
}

/** What a step does instead, by its name. */
type Mocks = Record<string, (original: StepWork<Json | void>) => StepWork<Json | void>>

/**
 * The same workflow, whose handlers are given other tools. A handler that ends without having asked for a step of `names`
 * fails its item: what stands in for nothing shows nothing.
 */
export function withTools(
  workflow: Workflow,
  names: readonly string[],
  change: (tools: ItemTools, asked: Set<string>) => ItemTools,
): Workflow {
  const handlers = Object.entries(workflow.run ?? {}).map(([version, handler]): [string, typeof handler] => [
    version,
    async (item, tools) => {
      const asked = new Set<string>()
      const done = await handler(item, change(tools, asked))
      const missing = names.filter((name) => !asked.has(name))
      if (missing.length === 0) return done
      throw new PermanentError(
        `the test stands in for ${missing.join(', ')}, which the handler did not ask for`,
      )
    },
  ])
  return { ...workflow, run: Object.fromEntries(handlers) }
}

/** What a test gives in a step's place has to be what the step would give. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion, typescript/no-unnecessary-type-parameters
const inPlaceOf = <T>(given: unknown): T => given as T

const unmade = () => Promise.reject(new Error('a call cannot be made by what stands in for it'))

/** The same workflow, with some of its steps doing something else. */
export const withSteps = (workflow: Workflow, mocks: Mocks, timeout?: StepOptions['timeout']): Workflow =>
  withTools(workflow, Object.keys(mocks), (tools, asked) => ({
    ...tools,
    step: (name, work, options) => {
      asked.add(name)
      const mock = mocks[name]
      if (mock === undefined) return tools.step(name, work, options)
      return tools.step(name, inPlaceOf(mock(work)), { ...options, ...(timeout && { timeout }) })
    },
    call: (name, request, options) => {
      asked.add(name)
      const work = mocks[name]
      return work === undefined
        ? tools.call(name, request, options)
        : inPlaceOf(tools.step(name, work(unmade), options))
    },
    invoke: (name, started) => {
      asked.add(name)
      const work = mocks[name]
      return work === undefined ? tools.invoke(name, started) : inPlaceOf(tools.step(name, work(unmade)))
    },
    parallel: (steps, options) => {
      for (const name of Object.keys(steps)) asked.add(name)
      const changed = Object.entries(steps).map(([name, work]) => [name, mocks[name]?.(work) ?? work])
      const some = Object.keys(steps).some((name) => name in mocks)
      const longer = some && timeout !== undefined ? { ...options, timeout } : options
      return tools.parallel(inPlaceOf(Object.fromEntries(changed)), longer)
    },
  }))

/** The same workflow, in which a step is undone in another way. */
export const withUndo = (
  workflow: Workflow,
  name: string,
  undo: Parameters<ItemTools['compensate']>[1],
): Workflow =>
  withTools(workflow, [name], (tools, asked) => ({
    ...tools,
    compensate: (step, own, options) => {
      asked.add(step)
      tools.compensate(step, step === name ? undo : own, options)
    },
  }))

/** Gives the result of a step, of a call, or of what is invoked, without doing it. */
export const mockStep = (workflow: Workflow, name: string, result: Json): Workflow =>
  withSteps(workflow, { [name]: () => () => Promise.resolve(result) })

/** Fails a step so many times, and then does it. */
export function failStep(
  workflow: Workflow,
  name: string,
  times: number,
  error: Error = new Error(`${name} fails`),
) {
  let left = times
  return withSteps(workflow, {
    [name]: (work) => (services) => {
      left -= 1
      return left >= 0 ? Promise.reject(error) : work(services)
    },
  })
}

/**
 * Kills the Worker once in a step, before or after it has done its work. What it held is free again, as if its leases
 * had ended.
 */
export function killIn(workflow: Workflow, name: string, when: 'before' | 'after') {
  const death = Promise.withResolvers<void>()
  let killed = false
  return {
    // What is dead does not wake up when its time is over, in the middle of another test.
    workflow: withSteps(
      workflow,
      {
        [name]: (work) => async (services) => {
          if (killed) return await work(services)
          killed = true
          if (when === 'after') await work(services)
          await services.db.execute(sql`update item_steps set lease_until = now() - interval '1 second'`)
          await services.db.execute(
            sql`update batch_items set lease_until = now() - interval '1 second' where lease_until is not null`,
          )
          death.resolve()
          return await new Promise<never>(() => undefined)
        },
      },
      '1 day',
    ),
    /** For `run` and `deliver`. */
    options: { death: () => (killed ? new Promise<void>(() => undefined) : death.promise) },
  }
}
