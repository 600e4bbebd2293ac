namespace Tessera.Checkpoints;

/// <summary>Packs strided elements row-major.</summary>
internal static unsafe class StridedCopy
{
    /// <summary>Copies all elements of a non-empty view.</summary>
    public static void Pack(byte* source, byte* destination, ReadOnlySpan<long> shape, ReadOnlySpan<long> strides, int size)
    {
        // The innermost dimensions that lie without gaps form one run.
        var run = (long)size;
        var outer = shape.Length;
        while (outer > 0 && (shape[outer - 1] == 1 || strides[outer - 1] * size == run))
            run *= shape[--outer];
        if (outer == 0)
        {
            Buffer.MemoryCopy(source, destination, run, run);
            return;
        }

        var inner = outer - 1;
        var step = strides[inner] * size;
        var index = new long[outer];
        while (true)
        {
            CopyRuns(source, destination, shape[inner], step, run);
            destination += shape[inner] * run;
            var d = inner - 1;
            for (; d >= 0; d--)
            {
                source += strides[d] * size;
                if (++index[d] < shape[d])
                    break;
                source -= shape[d] * strides[d] * size;
                index[d] = 0;
            }
            if (d < 0)
                return;
        }
    }

    static void CopyRuns(byte* source, byte* destination, long count, long step, long run)
    {
        switch (run)
        {
            case 1:
                for (long i = 0; i < count; i++, source += step)
                    *destination++ = *source;
                break;
            case 2:
                for (long i = 0; i < count; i++, source += step, destination += 2)
                    *(ushort*)destination = *(ushort*)source;
                break;
            case 4:
                for (long i = 0; i < count; i++, source += step, destination += 4)
                    *(uint*)destination = *(uint*)source;
                break;
            case 8:
                for (long i = 0; i < count; i++, source += step, destination += 8)
                    *(ulong*)destination = *(ulong*)source;
                break;
            default:
                for (long i = 0; i < count; i++, source += step, destination += run)
                    Buffer.MemoryCopy(source, destination, run, run);
                break;
        }
    }
}
