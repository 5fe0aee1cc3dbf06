import { Pool } from 'pg'

/**
 * Postgres in a world whose time is moved on. What the Worker asks for `now()` is given `moved_now()`; so are the defaults
 * of columns.
 */
export async function installClock(postgresUrl: string): Promise<{
  client: Pool
  move: (shiftMs: number) => Promise<void>
  close: () => Promise<void>
}> {
  const client = new Pool({ connectionString: postgresUrl, max: 3 })
  await client.query(`
    create table moved_clock (shift interval not null);
    insert into moved_clock values ('0');
    create function moved_now() returns timestamptz language sql stable as
      $$ select now() + shift from moved_clock $$;
    do $$ declare c record; begin
      for c in select table_name, column_name from information_schema.columns
        where table_schema = 'public' and column_default = 'now()'
      loop
        execute format('alter table %I alter column %I set default moved_now()', c.table_name, c.column_name);
      end loop;
    end $$`)
  return {
    client,
    move: async (shiftMs) => {
      await client.query(`update moved_clock set shift = make_interval(secs => $1)`, [shiftMs / 1000])
    },
    close: () => client.end(),
  }
}

/** A statement as the Worker sends it, with the moved time in it. */
export const withMovedTime = (body: string): string => body.replaceAll(/\bnow\(\)/g, 'moved_now()')
