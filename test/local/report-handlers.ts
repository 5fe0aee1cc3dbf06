import { droppedHandlers, handlersInUse } from '../../src/engine/ledger/handlers-in-use.ts'
import { registry } from '../../src/workflows/registry.ts'
import { withDatabase } from './seed/seed-database.ts'

const version = (handler: number) => `version ${handler} of its handler, which is not here`

/** What this deployment would do to items in the database which other handlers began. */
export async function reportHandlers(
  postgresUrl: string,
): Promise<{ problems: string[]; warnings: string[] }> {
  const dropped = droppedHandlers(await withDatabase(postgresUrl, handlersInUse), registry)
  return {
    problems: dropped
      .filter(({ unfinished }) => unfinished > 0)
      .map((it) => `${it.unfinished} unfinished item(s) of ${it.workflow} need ${version(it.handler)}`),
    warnings: dropped
      .filter(({ retryable }) => retryable > 0)
      .map(
        (it) =>
          `${it.retryable} failed item(s) of ${it.workflow} can be tried again only with ${version(it.handler)}`,
      ),
  }
}
