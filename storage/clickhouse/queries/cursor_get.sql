SELECT toUnixTimestamp64Milli(Cursor) AS cursor_ms FROM cursors FINAL WHERE Name = {name:String} AND Shard = {shard:UInt16}
