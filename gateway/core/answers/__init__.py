"""What people answer, on the air and in chats, and whose answer it is."""
