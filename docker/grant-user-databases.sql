-- User databases are called mem_u_<16 hex>; the account may do anything with them.
GRANT ALL PRIVILEGES ON `mem\_u\_%`.* TO 'memoria'@'%';
