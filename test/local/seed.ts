import { parseArgs } from 'node:util'
import { countOption, databaseUrl } from './cli/options.ts'
import { agentsOption, describeSeeded, loadAgents } from './cli/population.ts'
import { runProgram } from './cli/program.ts'
import { showDatabase } from './postgres-url.ts'
import { seedDatabase } from './seed/seed-database.ts'

const usage = `Fills the database at DATABASE_URL with users and agents to try the product on.
What is there already stays as it is; migrate first (npm run db:migrate).

Usage: npm run seed -- [options]

  --users N          how many users (default 1000)
  --agents N|FILE    how many agents, or a file of agents as JSON lines (default 500)
  --help             show this text`

async function main(signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    options: {
      users: { type: 'string', default: '1000' },
      agents: { type: 'string', default: '500' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) {
    console.log(usage)
    return 0
  }
  const users = countOption('users', values.users)
  const agents = await loadAgents(agentsOption(values.agents))
  const url = databaseUrl()
  const startedAt = performance.now()
  const seeded = await seedDatabase(url, { users, agents, signal }).catch((error: unknown) => {
    const hint = isMissingTable(error) ? ', which is not migrated (npm run db:migrate)' : ''
    throw new Error(`cannot seed ${showDatabase(url)}${hint}`, { cause: error })
  })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  console.log(`${showDatabase(url)}: added ${describeSeeded(seeded)} in ${seconds} s`)
  return 0
}

const isMissingTable = (error: unknown) => error instanceof Error && 'code' in error && error.code === '42P01'

await runProgram({ usage, main })
