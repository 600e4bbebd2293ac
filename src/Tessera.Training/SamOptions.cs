using System.ComponentModel.DataAnnotations;

namespace Tessera.Training;

/// <summary>Steps by the gradient at a point uphill from the weights, at twice the cost; see <see cref="Optim.SharpnessAware"/>.</summary>
/// <param name="Rho">How far uphill.</param>
/// <param name="Adaptive">Relative to the size of each weight.</param>
public sealed record SamOptions([Range(1e-12, 1e6)] double Rho = 0.05, bool Adaptive = false);
