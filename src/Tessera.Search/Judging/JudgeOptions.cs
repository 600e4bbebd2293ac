using System.ComponentModel.DataAnnotations;

namespace Tessera.Search.Judging;

/// <summary>What a search is judged by.</summary>
/// <param name="Random">Networks that chance draws, which are trained like the winner.</param>
/// <param name="Seeds">Trainings of each network, each with a seed of its own.</param>
/// <param name="HandMade">Networks that people have made: genomes of the space, or names of models.</param>
public sealed record JudgeOptions([Range(2, 1000)] int Random = 10, [Range(1, 100)] int Seeds = 1, IReadOnlyList<string>? HandMade = null);
