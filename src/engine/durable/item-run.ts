import { WorkflowError, type WorkflowContext } from '@upstash/workflow'
import type { Json, StepOptions, UndoServices, Workflow } from '../../workflows/contract.ts'
import type { ItemError } from '../item-error.ts'
import { described } from '../layers/step.ts'
import type { Durable, RecordedStep, StoredError } from '../ledger/item-steps/recorded.ts'
import type { Services } from '../services.ts'

/** A durable item that a run has claimed. */
export type DurableItem = {
  batchId: string
  itemId: string
  attempt: number
  pageSize: number
  version: string
  scope: string
}

/** One run of a durable item's handler. The handler runs again with each delivery; its steps do not. */
export type ItemRun = {
  context: WorkflowContext
  services: Services
  workflow: Workflow
  /** Every workflow of the deployment: what may be invoked. */
  workflows: readonly Workflow[]
  item: DurableItem
  /** Null: it goes on. Else nothing is begun any more, and what was done is undone; for a `retry`, it goes on then. */
  undoing: Durable['undoing']
  /** The steps as the ledger had them when the run began. */
  recorded: ReadonlyMap<string, RecordedStep>
}

/** Something to undo. */
export type Undo = {
  step: string
  undo: (services: UndoServices, result: Json) => Promise<void>
  options: StepOptions
}

/** What a step of a run comes to; stored by QStash, and given again to every further delivery. */
export type Answer =
  { is: 'done'; value: Json; workMs: number } | { is: 'failed'; error: ItemError; workMs: number } | Stop

/** What a step has come to that the ledger says has failed. */
export const failedBefore = (error: StoredError, workMs = 0): Answer & { is: 'failed' } => ({
  is: 'failed',
  error: { ...error, fingerprint: '' },
  workMs,
})

/** Nothing more happens to the item in this run: it was put off, has another run, or its gate is closed. */
export type Over = { is: 'over'; message: string }
export type Stop = Over | { is: 'cancelled' }

export const over = (message: string): Over => ({ is: 'over', message })
export const superseded = over('a later attempt has its own run')

/**
 * Why nothing more of a handler runs in a pass. `changed`: it is not the one that the item began with. `replayed`: it has
 * come to what was not begun before. `outgrown`: it asks for other steps than the run's log has.
 */
export type Stopped =
  Stop | { is: 'failed' | 'changed'; error: ItemError } | { is: 'replayed' } | { is: 'outgrown' }

/** What a step comes to in a pass of a handler. */
export type Answering = Promise<Answer | { is: 'replayed' }>

/** Runs a step of the engine or the author, whose answer QStash keeps. */
export const sdkStep = <T>(
  { context, workflow }: ItemRun,
  name: string,
  work: () => Promise<T>,
): Promise<T> => context.run(`${workflow.name}:${name}`, () => described(work))

/** An error of a step as a handler is shown it. */
export const shownError = ({ name, message, step }: ItemError): StoredError => ({ name, message, step })

/** What the ledger or QStash gives back of something is what the author's code had returned. */
export const returned = async <T>(stored: Promise<unknown>): Promise<T> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nobody else writes it
  (await stored) as T

/** The SDK has other steps in the run's log than the handler asks for. */
export const isOutgrown = (error: unknown) =>
  error instanceof WorkflowError && error.message.startsWith('Incompatible')
