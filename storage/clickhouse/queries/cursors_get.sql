SELECT toString(Name) AS name, toUnixTimestamp64Milli(Cursor) AS cursor_ms FROM cursors FINAL WHERE Name IN {names:Array(String)} AND Shard = {shard:UInt16}
