import type { WorkflowContext } from '@upstash/workflow'
import { z } from 'zod'
import { PermanentError, presentable } from '../../errors.ts'
import { Skip, type Json, type Params, type Workflow } from '../../workflows/contract.ts'
import { checkStorable } from '../do-work.ts'
import { grouped, itemError, type ItemError } from '../item-error.ts'
import { described } from '../layers/step.ts'
import { cancelled } from '../ledger/end-item.ts'
import { undoFailed, type StoredError } from '../ledger/item-steps/recorded.ts'
import type { Services } from '../services.ts'
import { claimDurable, type ClaimedDurable } from './claim.ts'
import { invokeTool } from './invoke.ts'
import { isOutgrown, sdkStep, superseded, type ItemRun, type Over, type Stopped } from './item-run.ts'
import { HandlerChanged } from './mistakes.ts'
import { newRun } from './new-run.ts'
import { saveEnd, type End } from './save.ts'
import { Pass } from './pass.ts'
import { isToUndo, isWork } from './replay.ts'
import { stepTools } from './step-tools.ts'
import { asUndoing, undoAll } from './undo.ts'
import { waitTools } from './wait-tools.ts'

/**
 * Follows a durable item's handler as far as it has come, does its next step, and, at the handler's end, saves what came
 * of the item. Every delivery of the item's run comes here again.
 */
export async function followItem(
  context: WorkflowContext,
  services: Services,
  workflow: Workflow,
  workflows: readonly Workflow[],
): Promise<Record<string, Json>> {
  const claim = await context.run(`${workflow.name}:claim`, () => claimDurable(context, services, workflow))
  if (!claim.claimed) return claim.answer
  const run: ItemRun = { context, services, workflow, workflows, ...claimed(workflow, claim) }
  const { ended: passed, pass } = await passOf(run, claim.handler, claim.params)
  const ended = overUndone(run, passed, pass)
  if (ended.is === 'stopped' && ended.why.is === 'outgrown')
    return notEnded(run, await newRun(run, 'renewed'))
  try {
    const end = ended.is === 'stopped' ? await undone(run, { pass, ended }, claim) : ended
    if (end.is === 'over') return notEnded(run, end)
    return await sdkStep(run, 'save', () => saveEnd(run, end, pass.workMs))
  } catch (error) {
    // The log goes further than the handler does by now.
    if (isOutgrown(error)) return notEnded(run, await newRun(run, 'renewed'))
    throw error
  }
}

const notEnded = ({ item }: ItemRun, { message }: Over) => ({ success: false, itemId: item.itemId, message })

/** The part of a run that its claim says. */
const claimed = (
  { pageSize }: Workflow,
  { steps, undoing, batchId, itemId, attempt, version, scope }: ClaimedDurable,
): Pick<ItemRun, 'item' | 'undoing' | 'recorded'> => ({
  item: { batchId, itemId, attempt, version, scope, pageSize },
  undoing,
  recorded: new Map(steps.map((step) => [step.name, step])),
})

/** What a pass of the handler comes to. `stopped`: the item ends, after what it has done has been undone. */
type Passed = End | Over | Halted
type Halted = { is: 'stopped'; why: Exclude<Stopped, Over> }

/** Runs the handler until it ends, or a step stops it. What the SDK throws gets out past the handler. */
async function passOf(run: ItemRun, version: number, params: Params): Promise<{ ended: Passed; pass: Pass }> {
  const { workflow, item } = run
  const handler = workflow.run?.[version]
  const stopped = Promise.withResolvers<Passed>()
  const stop = (why: Stopped) => stopped.resolve(why.is === 'over' ? why : { is: 'stopped', why })
  const pass = new Pass(run, stop, stopped.reject)
  const basic = { ...stepTools(run, pass), ...waitTools(run, pass) }
  const tools = { ...basic, invoke: invokeTool(run, basic) }
  const handled = async (): Promise<Passed> => {
    try {
      if (handler === undefined) {
        throw new HandlerChanged(`${workflow.name} has no handler of version ${version} in this deployment`)
      }
      const done = await handler({ id: item.itemId, params }, tools)
      pass.end()
      await pass.checkEnd()
      if (done instanceof Skip) return { is: 'skipped', reason: presentable(done.reason) }
      const stray = pass.strayUndo()
      if (stray !== undefined) throw new PermanentError(`compensate names ${stray}, which is no step`)
      return { is: 'finished', data: fitting(workflow, done) }
    } catch (error) {
      await pass.undosNamed()
      const isLast = run.context.retried >= workflow.layers.execute.retries
      if (run.undoing === null && !(error instanceof PermanentError) && !isLast) throw error
      const is = error instanceof HandlerChanged ? 'changed' : 'failed'
      return { is: 'stopped', why: { is, error: await itemError(error, workflow.verb, item.itemId) } }
    }
  }
  try {
    return { ended: await described(() => Promise.race([stopped.promise, handled()])), pass }
  } finally {
    pass.end()
  }
}

/**
 * A handler that comes to its end over steps that are undone has not done what it says; nor is it at its end where what it
 * went on without is still to be undone.
 */
function overUndone({ undoing, recorded }: ItemRun, passed: Passed, pass: Pass): Passed {
  if (undoing === null || passed.is === 'over' || passed.is === 'stopped') return passed
  const isOver = [...recorded.values()].some((step) => {
    const { name, status, stuck, undoable, undoneAlone } = step
    const isOwed = stuck || (status === 'failed' && undoable && isToUndo(step))
    return isOwed || (status === 'undone' && !undoneAlone && pass.hasAskedFor(name))
  })
  return undoing === 'retry' || isOver ? { is: 'stopped', why: { is: 'replayed' } } : passed
}

/** Undoes what an item has done, and says how it ends. */
async function undone(
  run: ItemRun,
  { pass, ended: { why } }: { pass: Pass; ended: Halted },
  { handler, params, error: noted }: ClaimedDurable,
): Promise<End | Over> {
  const { itemId } = run.item
  // Whoever put another handler in its place did not mean to undo what the item has done.
  if (why.is === 'changed' && run.undoing === null) return { is: 'ended', status: 'failed', error: why.error }
  const status = (run.undoing ?? why.is) === 'cancelled' ? 'cancelled' : 'failed'
  const error = status === 'cancelled' ? cancelled : await grouped(causeOf(run, why, noted), itemId)
  const then = await asUndoing(run, { status, error })
  if (then === null) return superseded
  // What is done by now is in the ledger: the handler comes to all of it, in this run as in a later one.
  const told = then === run ? pass : (await passOf(then, handler, params)).pass
  const undoing = await undoAll(then, status, told)
  if (undoing.is === 'over') return undoing
  const [failure] = undoing.failures
  if (failure === undefined && run.undoing === 'retry')
    return await sdkStep(run, 'anew', () => newRun(run, 'undone'))
  if (failure === undefined) return { is: 'ended', status, error: await withStray(then, told, error) }
  const steps = undoing.failures.map(({ step }) => step).join(', ')
  const message = `${error.message}; then ${steps} could not be undone: ${failure.message}`
  return {
    is: 'ended',
    status: 'failed',
    error: await grouped({ name: undoFailed, message: presentable(message), step: failure.step }, itemId),
  }
}

/** A misspelt undo is no news while nothing stands that it may have been meant for. */
async function withStray({ recorded, item }: ItemRun, { undos, strayUndo }: Pass, error: ItemError) {
  const stray = strayUndo()
  const isMeant = [...recorded.values()].some(
    (step) => isWork(step) && isToUndo(step) && !undos.has(step.name),
  )
  if (stray === undefined || !isMeant) return error
  return await grouped(
    { ...error, message: `${error.message}; compensate names ${stray}, which is no step` },
    item.itemId,
  )
}

/** Why an item fails: what was noted when its undoing began, else what has stopped its handler now. */
function causeOf(run: ItemRun, why: Exclude<Stopped, Over>, noted: ClaimedDurable['error']): StoredError {
  if (run.undoing === 'failed' && noted !== null) return noted
  if (why.is === 'failed' || why.is === 'changed') return why.error
  return noted ?? { name: 'RunFailed', message: 'the run failed', step: 'run' }
}

/** @throws PermanentError when the handler's result does not fit: it will not the next time either. */
function fitting(workflow: Workflow, done: Json): Json {
  const parsed = workflow.data.safeParse(done)
  if (!parsed.success) throw new PermanentError(`the result does not fit: ${z.prettifyError(parsed.error)}`)
  checkStorable(parsed.data)
  return parsed.data
}
