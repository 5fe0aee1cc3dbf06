import { runId } from '../names.ts'
import type { ItemRun } from './item-run.ts'

/** What a step gives services to act once by: the same for every try of it in a round. */
export const stepKey = (
  { services, item }: Pick<ItemRun, 'services' | 'item'>,
  step: string,
  round: number,
): Promise<string> => runId([services.env.ENVIRONMENT, item.batchId, item.itemId, step, round])
