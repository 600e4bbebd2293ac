using Tessera.Search;
using Tessera.Testing;

namespace Tessera.Tests.Search.Methods;

/// <summary>Small searches of ViTAS and GLiT on pictures of stripes.</summary>
internal static class Searches
{
    private const string Training =
            "{ optimizer: { name: adamw, lr: 5e-3 }, schedule: { name: cosine, epochs: 2 }, train: { threads: 1 } }",
        Rest = $"data: {{ name: shapes, batch: 8, minival: 0.25 }}\nretrain: {Training}\nseed: 3\n";

    internal static SearchRecipe Vitas(TempFolder folder, params string[] settings) =>
        Load(
            folder,
            "name: vitas, population: 6, generations: 3, drop_path: 0, "
                + "space: { patch_sizes: [2, 4], max_dim: 16, depth: 3, head_choices: [1, 2], max_qkv: 24, max_mlp: 24, shares: [0.5, 1] }",
            settings
        );

    internal static SearchRecipe Glit(TempFolder folder, params string[] settings) =>
        Load(
            folder,
            "name: glit, depth: 2, dim: 12, heads: 3, patch: 4, population: 4, generations: 2, parents: 3, statistics_batches: 2, "
                + "statistics_batch: 8, drop_path: 0",
            settings
        );

    private static SearchRecipe Load(TempFolder folder, string method, string[] settings) =>
        SearchRecipe.Load(folder.Write("search.yaml", $"search: {{ {method}, supernet: {Training} }}\n{Rest}"), settings);

    /// <summary>Proposes and scores by a function, without a database.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="score">The score of a genome.</param>
    internal static IReadOnlyList<IReadOnlyList<Candidate>> Drive(CandidateStage stage, Func<string, double?> score)
    {
        List<IReadOnlyList<Candidate>> generations = [];
        while (stage.Propose(generations, default) is { } proposals)
            generations.Add([
                .. proposals.Select(
                    (one, i) =>
                        new Candidate(0, stage.Name, generations.Count, i, one.Genome, one.Cost, 0, CandidateState.Scored)
                        {
                            Parents = one.Parents,
                            Evaluated = one.Score is null,
                            Score = one.Score ?? score(one.Genome),
                        }
                ),
            ]);
        return generations;
    }
}
