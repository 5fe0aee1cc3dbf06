import { createServer } from 'node:net'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { portOption } from './cli/options.ts'
import { describeSeeded } from './cli/population.ts'
import { runProgram } from './cli/program.ts'
import { describeCommands, describeServices } from './cli/services.ts'
import { untilAborted } from './cli/wait.ts'
import { seedIfEmpty } from './seed/seed-database.ts'
import { startStack } from './stack.ts'
import { freePort, startWorker } from './worker.ts'

const usage = `Runs the Worker with hot reload, and every service that it needs, on this machine.

Usage: npm run dev -- [options]

  --port N   where the Worker listens (default 8787, 0 for any free port)
  --help     show this text

LOCAL_POSTGRES_URL and LOCAL_REDIS_URL choose real servers, QSTASH_URL (with QSTASH_TOKEN and both signing keys)
another QStash. The embedded services are in memory: what they hold is gone when they stop.`

const population = { users: 60, agents: 300 }

async function main(signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    options: { port: { type: 'string', default: '8787' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help === true) {
    console.log(usage)
    return 0
  }
  const port = portOption('port', values.port)
  await develop(port === 0 ? await freePort() : await checkedPort(port), signal)
  return 0
}

async function develop(port: number, signal: AbortSignal): Promise<void> {
  await using cleanup = new AsyncDisposableStack()
  console.log('Starting the services and the Worker …')
  const stack = await startStack({ appUrl: `http://127.0.0.1:${port}` })
  cleanup.defer(() => stack.close())
  signal.throwIfAborted()
  const seeded = await seedIfEmpty(stack.neon.postgresUrl, { ...population, signal })
  const worker = await startWorker({ port, bindings: stack.bindings, signal })
  cleanup.defer(() => worker.stop())

  console.log(describeServices(stack, worker.url))
  console.log(seeded === null ? '\nThe database has users already.' : `\nSeeded ${describeSeeded(seeded)}.`)
  console.log(
    `\n${describeCommands(stack, worker.url)}\n\nCtrl-C stops everything. From here on, wrangler's log:\n`,
  )
  worker.follow((text) => process.stdout.write(text))
  await untilAborted(signal, worker)
}

/** @throws Error when somebody listens there: wrangler would quietly take another port. */
async function checkedPort(port: number): Promise<number> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    throw new Error(`port ${port} cannot be used, choose another with --port`, { cause: error })
  }
  server.close()
  await once(server, 'close')
  return port
}

await runProgram({ usage, main, interruptedCode: 0 })
