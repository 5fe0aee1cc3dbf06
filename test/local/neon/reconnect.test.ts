import { expect, test } from 'vitest'
import { openDatabase } from './database.ts'
import { execute } from './execute.ts'

test('a statement is answered again after the connection was closed, as an idle one is', async () => {
  const database = await openDatabase()
  const options = { arrayMode: true, readOnly: false, deferrable: false }
  const payload = { query: 'select $1::int + 1', params: ['1'] }
  const answer = { rows: [['2']] }
  expect(await execute(database, payload, options)).toMatchObject(answer)
  for (let round = 0; round < 2; round += 1) {
    const client = await database.pool.connect()
    client.release(true)
    expect(await execute(database, payload, options)).toMatchObject(answer)
    expect(await execute(database, payload, options)).toMatchObject(answer)
  }
  await database.close()
})
