import { sql } from 'drizzle-orm'
import { Client } from '@upstash/qstash'
import { beforeEach, describe, expect, test } from 'vitest'
import { runTick } from '../../src/cron.ts'
import type { Fate, PendingDelivery } from '../support/deliveries.ts'
import { insertUsers } from '../support/population.ts'
import { qstashThatIsDown, resetEverything, rounds } from '../support/rounds.ts'
import { openUntriggered } from '../support/started.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

const everyNight = '0 3 * * *'

async function prepared(users = 5) {
  const worked: string[] = []
  const toy = toyWorkflow(
    (_, id) => {
      worked.push(id)
      return Promise.resolve({ text: id })
    },
    { schedule: everyNight },
  )
  const app = rounds([toy])
  await insertUsers(app.services.db, users)
  const batches = async () => {
    const { rows } = await app.services.db.execute(
      sql`select status, started_by as by, recorded from batches order by id`,
    )
    return rows
  }
  const tick = (scheduledTime: number, services = app.services) =>
    runTick(services, [toy], { cron: everyNight, scheduledTime })
  const message = async (body: unknown) => {
    const { QSTASH_URL: baseUrl, QSTASH_TOKEN: token } = app.services.env
    const client = new Client({ baseUrl, token })
    await client.publishJSON({ url: 'https://rounds.test/api/workflows/toy/process-users', body })
    return await app.deliver()
  }
  return { ...app, toy, worked, batches, tick, message }
}

describe('a cron tick', () => {
  test('starts a batch of the workflows whose schedule fired', async () => {
    const { tick, deliver, worked, batches } = await prepared()
    await tick(1000)
    await deliver()
    expect(worked.length).toBe(5)
    expect(await batches()).toEqual([{ status: 'completed', by: 'cron', recorded: 5 }])
  })

  test('of another schedule starts nothing', async () => {
    const { toy, services, batches } = await prepared()
    await runTick(services, [toy], { cron: '5 5 * * *', scheduledTime: 1000 })
    expect(await batches()).toEqual([])
  })

  test('delivered twice starts one batch, also when the first one has ended', async () => {
    const { tick, deliver, batches } = await prepared()
    await Promise.all([tick(1000), tick(1000)])
    await deliver()
    await tick(1000)
    expect(await batches()).toEqual([{ status: 'completed', by: 'cron', recorded: 5 }])
  })

  test('that finds an active batch is recorded as skipped, once', async () => {
    const { tick, start, deliver, batches } = await prepared()
    await start('toy')
    await tick(1000)
    await tick(1000)
    await deliver()
    expect(await batches()).toEqual([
      { status: 'completed', by: 'api', recorded: 5 },
      { status: 'skipped', by: 'cron', recorded: 0 },
    ])
  })

  test('when QStash is down fails loudly and leaves a failed batch, not a stuck one', async () => {
    const { toy, tick, batches, deliver, worked } = await prepared()
    const offline = rounds([toy], { QSTASH_URL: qstashThatIsDown })
    await expect(tick(1000, offline.services)).rejects.toThrow('1 workflow(s) did not start')
    expect(await batches()).toEqual([{ status: 'failed', by: 'cron', recorded: 0 }])
    await tick(2000)
    await deliver()
    expect(worked.length).toBe(5)
  })
})

describe('a start over the API', () => {
  test('while a batch is active is refused and names it', async () => {
    const { start, call } = await prepared()
    const { id } = await start('toy')
    expect(await call('POST', '/api/admin/workflows/toy/batches', {})).toMatchObject({
      status: 409,
      body: { error: { code: 'conflict', details: { activeBatchId: id } } },
    })
  })

  test('raced by nine others opens one batch', async () => {
    const { call, deliver, batches } = await prepared()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => call('POST', '/api/admin/workflows/toy/batches', {})),
    )
    expect(answers.filter(({ status }) => status === 201).length).toBe(1)
    expect(answers.filter(({ status }) => status === 409).length).toBe(9)
    await deliver()
    expect(await batches()).toEqual([{ status: 'completed', by: 'api', recorded: 5 }])
  })

  test('repeated with its idempotency key gives the same batch', async () => {
    const { call, deliver, batches } = await prepared()
    const send = () => call('POST', '/api/admin/workflows/toy/batches', {}, { 'idempotency-key': 'tonight' })
    const [first, second] = [await send(), await send()]
    await deliver()
    const third = await send()
    expect([first.status, second.status, third.status]).toEqual([201, 200, 200])
    expect(second.body).toMatchObject({ id: Reflect.get(Object(first.body), 'id') })
    expect((await batches()).length).toBe(1)
  })

  test('finds a batch whose opener died before it could trigger it, and triggers it', async () => {
    const { services, call, deliver, batches, worked } = await prepared()
    await openUntriggered(services.db)
    expect(await call('POST', '/api/admin/workflows/toy/batches', {})).toMatchObject({ status: 409 })
    await deliver()
    expect(worked.length).toBe(5)
    expect(await batches()).toEqual([{ status: 'completed', by: 'cron', recorded: 5 }])
  })

  test('whose first trigger is delivered late, twice and out of order runs once', async () => {
    const { start, deliver, worked } = await prepared(60)
    await start('toy')
    await deliver({ fate: (delivery) => (delivery.url.endsWith('process-users') ? 'twice' : 'normal') })
    expect(worked.length).toBe(60)
  })
})

const isMessage = ({ headers }: PendingDelivery) => headers['upstash-workflow-sdk-version'] === undefined

describe('a plain QStash message to layer 1', () => {
  test('starts a batch with its options', async () => {
    const { message, worked, batches } = await prepared()
    await message({ limit: 3, tag: 'spring' })
    expect(worked.length).toBe(3)
    expect(await batches()).toEqual([{ status: 'completed', by: 'message', recorded: 3 }])
  })

  test('may be a dry run, whose plan can be read afterwards', async () => {
    const { message, call, batches, worked } = await prepared()
    await message({ dryRun: true })
    expect(worked).toEqual([])
    expect(await batches()).toEqual([])
    expect((await call('GET', '/api/admin/plans?workflow=toy')).body).toMatchObject({
      data: [{ totalEligible: 5, toProcess: 5, alreadyProcessed: 0 }],
    })
  })

  test('that is delivered twice, late and without its answer starts one batch', async () => {
    const { services, deliver, worked, batches } = await prepared()
    const { QSTASH_URL: baseUrl, QSTASH_TOKEN: token } = services.env
    const client = new Client({ baseUrl, token })
    await client.publishJSON({
      url: 'https://rounds.test/api/workflows/toy/process-users',
      body: { force: true },
    })
    let messages = 0
    await deliver({
      fate(delivery): Fate {
        if (!isMessage(delivery)) return 'normal'
        messages += 1
        return messages === 1 ? 'unanswered' : 'twice'
      },
    })
    expect(messages).toBe(2)
    expect(worked.length).toBe(5)
    expect(await batches()).toEqual([{ status: 'completed', by: 'message', recorded: 5 }])
  })

  test('that finds an active batch is recorded as skipped', async () => {
    const { message, start, batches } = await prepared()
    await start('toy')
    await message({})
    const statuses = (await batches()).map(({ status }) => status)
    expect(statuses).toContain('completed')
    expect(statuses).toContain('skipped')
  })

  test.each([
    ['a wrong type', { limit: 'many' }],
    ['a wrong param', { tag: 7 }],
    ['text', 'hello'],
    ['what Postgres cannot store', { tag: 'a\u0000' }],
    ['a list', []],
  ])('with %s is refused without a retry and starts nothing', async (_, body) => {
    const { message, batches } = await prepared()
    const delivered = await message(body)
    expect(delivered.filter(({ status }) => status === 489).length).toBe(1)
    expect(delivered.some(({ status }) => status >= 500)).toBe(false)
    expect(await batches()).toEqual([])
  })
})
