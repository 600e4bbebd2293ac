namespace Tessera.Deploy;

/// <summary>A piece of a compiled model's memory.</summary>
internal sealed class Root(DType type, long elements)
{
    internal DType Type => type;
    internal long Elements => elements;
    internal long Bytes => elements * type.Size();

    /// <summary>The first and the last step that need it.</summary>
    internal int First { get; set; } = int.MaxValue;
    internal int Last { get; set; } = -1;

    /// <summary>Whether it is memory of the caller's, which each call brings.</summary>
    internal bool IsCallers { get; set; }

    /// <summary>Address of the first byte, from the beginning of a program's memory.</summary>
    internal long Address { get; set; }
}

/// <summary>Position of a buffer: strides for the sizes that it had in the trace.</summary>
internal sealed record Place(Root Root, long Offset, long[] Strides);

/// <summary>A part of a root, or of constant memory, as a step uses it.</summary>
internal sealed record Located(Root? Root, nint Constant, long Offset, long[] Sizes, long[] Strides, DType Type)
{
    internal int Dims => Sizes.Length;
    internal long Elements => Sizes.Aggregate(1L, (product, size) => product * size);

    internal bool IsHalf => Type == DType.BFloat16;

    /// <summary>The same with dimensions of size one left out and those that run through joined.</summary>
    internal static (long[] Sizes, long[][] Strides) Collapse(params ReadOnlySpan<Located> operands)
    {
        var sizes = new List<long>();
        var strides = operands.ToArray().Select(_ => new List<long>()).ToArray();
        for (var d = 0; d < operands[0].Dims; d++)
        {
            var size = operands[0].Sizes[d];
            if (size == 1)
                continue;
            var joins = sizes.Count > 0;
            for (var o = 0; o < strides.Length && joins; o++)
                joins = strides[o][^1] == operands[o].Strides[d] * size;
            if (joins)
            {
                sizes[^1] *= size;
                for (var o = 0; o < strides.Length; o++)
                    strides[o][^1] = operands[o].Strides[d];
                continue;
            }
            sizes.Add(size);
            for (var o = 0; o < strides.Length; o++)
                strides[o].Add(operands[o].Strides[d]);
        }
        if (sizes.Count == 0)
        {
            sizes.Add(1);
            foreach (var list in strides)
                list.Add(1);
        }
        return ([.. sizes], [.. strides.Select(list => list.ToArray())]);
    }

    /// <summary>Rows of <paramref name="columns"/> elements that lie together, an even step apart; null where it is not so.</summary>
    internal (long Rows, long Stride)? RowsOf(long columns)
    {
        var (sizes, strides) = Collapse(this);
        if (
            sizes is [var one]
            && one == Elements
            && (one == columns || strides[0][0] == 1)
            && one % columns == 0
            && (strides[0][0] == 1 || columns == 1)
        )
            return (one / columns, columns == 1 ? strides[0][0] : columns);
        return sizes.Length == 2 && sizes[1] == columns && strides[0][1] == 1 ? (sizes[0], strides[0][0]) : null;
    }

    internal Located Narrow(int dim, long start, long count) =>
        this with
        {
            Offset = Offset + start * Strides[dim],
            Sizes = [.. Sizes.Select((size, d) => d == dim ? count : size)],
        };

    /// <summary>Repeats dimensions of size one, and adds missing ones in front, as broadcasting does.</summary>
    internal Located Expand(long[] sizes)
    {
        var strides = new long[sizes.Length];
        for (var d = 0; d < sizes.Length; d++)
        {
            var own = d - (sizes.Length - Dims);
            strides[d] = own < 0 || (Sizes[own] == 1 && sizes[d] != 1) ? 0 : Strides[own];
        }
        return this with { Sizes = sizes, Strides = strides };
    }
}

/// <summary>Memory orders: what a trace's strides become where a buffer lies in another order.</summary>
internal static class Order
{
    internal static long[] RowMajor(long[] sizes)
    {
        var strides = new long[sizes.Length];
        var step = 1L;
        for (var d = sizes.Length - 1; d >= 0; d--)
        {
            strides[d] = step;
            step *= sizes[d];
        }
        return strides;
    }

    /// <summary>Dense strides in the order in which other strides fall.</summary>
    internal static long[] Like(long[] sizes, long[] others)
    {
        var strides = new long[sizes.Length];
        var step = 1L;
        foreach (
            var d in Enumerable.Range(0, sizes.Length).OrderBy(d => sizes[d] == 1 ? long.MaxValue : others[d]).ThenByDescending(d => d)
        )
        {
            strides[d] = step;
            step *= sizes[d];
        }
        return strides;
    }

    /// <summary>Strides of [B, C, H, W] whose channels lie together.</summary>
    internal static long[] ChannelsLast(long[] sizes) => [sizes[1] * sizes[2] * sizes[3], 1, sizes[1] * sizes[3], sizes[1]];

    /// <summary>Whether two lists of strides mean the same for these sizes.</summary>
    internal static bool Same(long[] sizes, long[] a, long[] b)
    {
        for (var d = 0; d < sizes.Length; d++)
            if (sizes[d] != 1 && a[d] != b[d])
                return false;
        return true;
    }

    /// <summary>A view of a buffer in the order that the buffer really has; null where strides cannot say it.</summary>
    internal static Located? Locate(View view)
    {
        var buffer = view.Of;
        var place = buffer.Place
            ?? throw new InvalidOperationException(
                $"the result of {buffer.Producer?.Name ?? "no operator"} of shape {new Shape(buffer.Sizes)} is used before a step fills it"
            );
        if (Same(buffer.Sizes, buffer.Strides, place.Strides))
            return new(place.Root, 0, place.Offset + view.Offset, view.Sizes, view.Strides, place.Root.Type);

        var digits = Enumerable
            .Range(0, buffer.Sizes.Length)
            .Where(d => buffer.Sizes[d] > 1)
            .OrderByDescending(d => buffer.Strides[d])
            .ToArray();
        long Real(long index)
        {
            var real = 0L;
            foreach (var d in digits)
            {
                real += index / buffer.Strides[d] * place.Strides[d];
                index %= buffer.Strides[d];
            }
            return real;
        }

        var origin = Real(view.Offset);
        var strides = new long[view.Sizes.Length];
        for (var d = 0; d < strides.Length; d++)
        {
            if (view.Sizes[d] == 1 || view.Strides[d] == 0)
                continue;
            strides[d] = Real(view.Offset + view.Strides[d]) - origin;
            for (var i = 2L; i < view.Sizes[d]; i++)
                if (Real(view.Offset + i * view.Strides[d]) - origin != i * strides[d])
                    return null;
        }
        // Each dimension runs evenly by itself; that they add up is seen at a sample of places and at the far corner.
        var random = new Random(1);
        for (var sample = 0; sample < 48; sample++)
        {
            var (traced, expected) = (view.Offset, origin);
            for (var d = 0; d < strides.Length; d++)
            {
                var i = sample == 0 ? view.Sizes[d] - 1 : random.NextInt64(view.Sizes[d]);
                traced += i * view.Strides[d];
                expected += i * strides[d];
            }
            if (Real(traced) != expected)
                return null;
        }
        return new(place.Root, 0, place.Offset + origin, view.Sizes, strides, place.Root.Type);
    }
}
