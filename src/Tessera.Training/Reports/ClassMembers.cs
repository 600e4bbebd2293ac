using Tessera.Data;

namespace Tessera.Training.Reports;

/// <summary>Which samples each class has.</summary>
internal static class ClassMembers
{
    /// <summary>Positions of the samples of each class, ascending.</summary>
    /// <param name="data">With classes.</param>
    /// <param name="without">Samples that are left out.</param>
    internal static IReadOnlyList<IReadOnlyList<int>> Of(Dataset data, IReadOnlySet<int> without)
    {
        var members = data.ClassNames.Select(_ => new List<int>()).ToArray();
        for (var i = 0; i < data.Count; i++)
            if (without.Contains(i))
                continue;
            else if (data.Annotations is ClassLabels labels)
                members[labels.Labels[i]].Add(i);
            else if (data.Annotations is MultiLabels several)
                foreach (var label in several[i])
                    members[label].Add(i);
        return members;
    }
}
