"""Keys as the driver names them, without a need for selenium where the tests are only collected."""

CTRL, SHIFT, ENTER, ESCAPE, DELETE, RIGHT = "\ue009", "\ue008", "\ue007", "\ue00c", "\ue017", "\ue014"
