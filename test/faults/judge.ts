import { z } from 'zod'
import type { Lane } from './lane.ts'
import { batchRows, itemEnds, storedResults } from './ledger.ts'
import type { ItemEnd, Scenario } from './scenarios.ts'
import type { Witness } from './witness.ts'

const proofSchema = z.looseObject({ balanced: z.boolean(), workedOnAgain: z.int() })

/** What is wrong when all is over: the ledger, the proofs and the services outside have to agree. */
export async function judge(
  lane: Lane,
  scenario: Scenario,
  witness: Witness,
  isMild: boolean,
): Promise<string[]> {
  const items = new Map((await itemEnds(lane.db)).map(({ id, ...end }) => [id, end]))
  return [
    ...(await proofs(lane)),
    ...(await scenario.violations(lane, items)),
    ...(await results(lane, scenario, witness, items)),
    ...(isMild && scenario.workflow !== 'agent-review' ? repeats(witness, items) : []),
  ]
}

async function proofs(lane: Lane): Promise<string[]> {
  const violations: string[] = []
  for (const { id, status } of await batchRows(lane.db)) {
    if (status === 'skipped' || status === 'failed') continue
    const proof = proofSchema.parse((await lane.ask('GET', `/batches/${id}/proof`))?.body)
    if (!proof.balanced) {
      violations.push(`the proof of ${id} (${status}) is not balanced: ${JSON.stringify(proof)}`)
    }
    if (proof.workedOnAgain > 0) violations.push(`${proof.workedOnAgain} items of ${id} were worked on again`)
  }
  return violations
}

type Ends = ReadonlyMap<string, ItemEnd>

async function results(lane: Lane, { workflow }: Scenario, witness: Witness, items: Ends): Promise<string[]> {
  const stored = new Map((await storedResults(lane.db)).map(({ id, ...result }) => [id, result]))
  return [...items].flatMap(([id, { status, batches, rounds }]) => {
    const result = stored.get(id)
    if (result === undefined) return status === 'succeeded' ? [`${id} has succeeded without a result`] : []
    if (workflow !== 'agent-welcome') return []
    if (!witness.hasSaid(id, result.data)) return [`the result of ${id} is no answer of the model`]
    const isLater = witness.of(id).some(({ at }) => at > result.atMs + 1)
    // Another batch may well have worked on it again.
    return batches === 1 && rounds === 1 && isLater ? [`${id} was worked on after its result was stored`] : []
  })
}

/** Where nothing fails, nothing is done more often than it was asked for. */
const repeats = (witness: Witness, items: Ends): string[] =>
  [...items].flatMap(([id, { rounds }]) => {
    const times = witness.of(id).length
    return times > rounds ? [`${id} was worked on ${times} times in ${rounds} rounds`] : []
  })
