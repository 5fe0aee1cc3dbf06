import { Console } from 'node:console'
import { parseArgs } from 'node:util'
import { explain } from './cli/explain.ts'
import { countOption } from './cli/options.ts'
import { agentsOption, describeSeeded, loadAgents } from './cli/population.ts'
import { runProgram, UsageError } from './cli/program.ts'
import { describeCommands, describeServices } from './cli/services.ts'
import { untilAborted } from './cli/wait.ts'
import { createApi } from './demo/api.ts'
import { problemsOf, toTable, type WorkflowReport } from './demo/report.ts'
import { runDemo } from './demo/run-demo.ts'
import { durable, shown } from './demo/shown.ts'
import { startDemo } from './demo/start.ts'
import { adminToken, type Stack } from './stack.ts'
import type { RunningWorker } from './worker.ts'

const usage = `Runs the workflows whose items take one step over a small population on this machine, from the dry run to the results.

Usage: npm run demo -- [options]

  --users N          how many users (default 120)
  --agents N|FILE    how many agents, or a file of agents as JSON lines (default 60)
  --all              the durable workflows as well, with their days skipped
  --keep             stay up afterwards, until Ctrl-C
  --json             one JSON object on stdout; everything else goes to stderr
  --help             show this text

LOCAL_POSTGRES_URL and LOCAL_REDIS_URL choose real servers, QSTASH_URL (with QSTASH_TOKEN and both signing keys)
another QStash.`

type Options = { users: number; agents: number | string; all: boolean; keep: boolean; json: boolean }

async function main(signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    options: {
      users: { type: 'string', default: '120' },
      agents: { type: 'string', default: '60' },
      all: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) {
    console.log(usage)
    return 0
  }
  if (values.all && process.env.QSTASH_URL !== undefined) {
    throw new UsageError('--all skips days, which only the local QStash can: unset QSTASH_URL')
  }
  const users = countOption('users', values.users)
  return demo({ ...values, users, agents: agentsOption(values.agents) }, signal)
}

async function demo(options: Options, signal: AbortSignal): Promise<number> {
  const stream = options.json ? process.stderr : process.stdout
  const out = new Console(stream)
  const workflows: WorkflowReport[] = []
  const answer = (found: { ok: boolean; error?: string }) => {
    if (options.json) console.log(JSON.stringify({ ...found, workflows }))
  }
  await using cleanup = new AsyncDisposableStack()

  let running: Running
  try {
    running = await perform({ options, stream, out, signal, cleanup, workflows })
  } catch (error) {
    answer({ ok: false, error: explain(error) })
    throw error
  }
  const problems = workflows.flatMap(problemsOf)
  out.log()
  out.table(toTable(workflows))
  out.log(problems.length === 0 ? goodEnd(workflows) : problems.join('\n'))
  answer({ ok: problems.length === 0 })
  if (options.keep) await stayUp(out, running, signal)
  return problems.length === 0 ? 0 : 1
}

function goodEnd(workflows: readonly WorkflowReport[]): string {
  const failed = workflows.reduce((sum, { batch }) => sum + batch.failed, 0)
  const why = failed === 0 ? '' : ` ${failed} failed as they should: their cards are declined.`
  return `Every item was handled once; nothing is left to do.${why}`
}

type Stage = {
  options: Options
  stream: NodeJS.WriteStream
  out: Console
  signal: AbortSignal
  cleanup: AsyncDisposableStack
  workflows: WorkflowReport[]
}

type Running = { stack: Stack; worker: RunningWorker }

/** Starts everything and lets the workflows run to their end. */
async function perform({ options, stream, out, signal, cleanup, workflows }: Stage): Promise<Running> {
  const say = (text: string) => out.log(text)
  const { users, keep } = options
  const population = { users, agents: await loadAgents(options.agents) }
  say('Starting the services and the Worker …')
  const started = await startDemo({ population, keep, signal, cleanup, say, env: process.env })
  const { stack, worker, seeded } = started
  say(`${describeServices(stack, worker.url)}\n\nSeeded ${describeSeeded(seeded)}.\n`)
  const api = createApi({ url: worker.url, token: adminToken, signal })
  const onReport = (report: WorkflowReport) => workflows.push(report)
  try {
    const workflows = options.all ? [...shown, ...durable] : shown
    await runDemo({ api, workflows, outside: stack, qstash: stack.qstash, stream, say, signal, onReport })
  } catch (error) {
    if (!signal.aborted) console.error(`The Worker's last words:\n${worker.output().slice(-2000)}`)
    throw error
  }
  return { stack, worker }
}

async function stayUp(out: Console, { stack, worker }: Running, signal: AbortSignal): Promise<void> {
  out.log(`\n${describeCommands(stack, worker.url)}\n\nCtrl-C stops everything.`)
  await untilAborted(signal, worker)
}

await runProgram({ usage, main })
