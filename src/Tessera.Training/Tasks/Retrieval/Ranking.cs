using System.Numerics;

namespace Tessera.Training.Tasks.Retrieval;

/// <summary>
/// Places of searched items in the order of their similarity to a query, the most similar first and of equal ones the first in the set.
/// </summary>
public static class Ranking
{
    /// <summary>
    /// Ranks from 0, ascending, of the relevant items among all that are not ignored. The time grows with the logarithm of their number
    /// alone: nothing is sorted but them. A relevant item whose similarity is not a number is never found, and has no rank.
    /// </summary>
    /// <typeparam name="T">Type of the similarities.</typeparam>
    /// <param name="similarities">Of every item to the query.</param>
    /// <param name="roles">What every item is to it.</param>
    public static int[] Relevant<T>(ReadOnlySpan<T> similarities, ReadOnlySpan<ItemRole> roles)
        where T : IBinaryFloatingPointIeee754<T>
    {
        var found = new List<(T Similarity, int Place)>();
        for (var i = 0; i < roles.Length; i++)
            if (roles[i] == ItemRole.Relevant && !T.IsNaN(similarities[i]))
                found.Add((similarities[i], i));
        if (found.Count == 0)
            return [];
        found.Sort((left, right) => right.Similarity.CompareTo(left.Similarity) is not 0 and var order ? order : left.Place - right.Place);
        // Per relevant item the others that come before it and after the one before.
        var others = new int[found.Count];
        var least = found[^1].Similarity;
        for (var i = 0; i < roles.Length; i++)
        {
            var own = similarities[i];
            if (roles[i] != ItemRole.Other || !(own >= least))
                continue;
            var (low, high) = (0, found.Count);
            while (low < high)
            {
                var middle = (low + high) / 2;
                var (similarity, place) = found[middle];
                if (similarity > own || (similarity == own && place < i))
                    low = middle + 1;
                else
                    high = middle;
            }
            if (low < found.Count)
                others[low]++;
        }
        var before = 0;
        var ranks = new int[found.Count];
        for (var i = 0; i < ranks.Length; i++)
        {
            before += others[i];
            ranks[i] = i + before;
        }
        return ranks;
    }

    /// <summary>Places of the most similar items, the first first; ignored ones are left out.</summary>
    /// <typeparam name="T">Type of the similarities.</typeparam>
    /// <param name="similarities">Of every item to the query.</param>
    /// <param name="roles">What every item is to it.</param>
    /// <param name="most">How many at most.</param>
    public static int[] Nearest<T>(ReadOnlySpan<T> similarities, ReadOnlySpan<ItemRole> roles, int most)
        where T : IBinaryFloatingPointIeee754<T>
    {
        var nearest = new List<int>(most + 1);
        for (var i = 0; i < roles.Length; i++)
        {
            var own = similarities[i];
            if (roles[i] == ItemRole.Ignored || T.IsNaN(own) || (nearest.Count == most && !(own > similarities[nearest[^1]])))
                continue;
            var place = nearest.Count;
            while (place > 0 && own > similarities[nearest[place - 1]])
                place--;
            nearest.Insert(place, i);
            if (nearest.Count > most)
                nearest.RemoveAt(most);
        }
        return [.. nearest];
    }
}
