-- Nothing to take back: the owners of what is not there gave nothing.
SELECT 1;
