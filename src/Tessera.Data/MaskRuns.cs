namespace Tessera.Data;

/// <summary>Lengths of runs of zeros and ones in turn, beginning with zeros: what masks are joined and compared by.</summary>
internal static class MaskRuns
{
    /// <summary>The same runs, where the two beside one of no length are one. The first may have no length.</summary>
    internal static int[] Joined(ReadOnlySpan<int> runs)
    {
        var joined = new List<int>(runs.Length);
        for (var i = 0; i < runs.Length; i++)
        {
            if (i == 0 || runs[i] > 0)
                joined.Add(runs[i]);
            else if (++i < runs.Length)
                joined[^1] += runs[i];
        }
        return [.. joined];
    }

    /// <summary>Ones where either has some.</summary>
    internal static int[] Union(int[] first, int[] second)
    {
        var joined = new List<int>();
        var (length, isInside) = (0, false);
        var both = new Walk(first, second);
        while (both.Next(out var step))
        {
            if ((both.InFirst || both.InSecond) != isInside)
            {
                joined.Add(length);
                (length, isInside) = (0, !isInside);
            }
            length += step;
        }
        joined.Add(length);
        return [.. joined];
    }

    /// <summary>Number of ones that both have in the same place.</summary>
    internal static long Intersection(int[] first, int[] second)
    {
        var area = 0L;
        var both = new Walk(first, second);
        while (both.Next(out var step))
            if (both.InFirst && both.InSecond)
                area += step;
        return area;
    }

    /// <summary>Goes through two lists at once, in steps within which neither changes.</summary>
    private ref struct Walk(ReadOnlySpan<int> first, ReadOnlySpan<int> second)
    {
        private readonly ReadOnlySpan<int> first = first,
            second = second;
        private int i = -1,
            j = -1,
            leftOfFirst,
            leftOfSecond;

        internal readonly bool InFirst => i % 2 == 1;

        internal readonly bool InSecond => j % 2 == 1;

        internal bool Next(out int step)
        {
            step = 0;
            while (leftOfFirst == 0)
            {
                if (++i == first.Length)
                    return false;
                leftOfFirst = first[i];
            }
            while (leftOfSecond == 0)
            {
                if (++j == second.Length)
                    return false;
                leftOfSecond = second[j];
            }
            step = Math.Min(leftOfFirst, leftOfSecond);
            leftOfFirst -= step;
            leftOfSecond -= step;
            return true;
        }
    }
}
