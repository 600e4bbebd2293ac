namespace Tessera.Hosting;

/// <summary>As many calls are waiting as <see cref="PredictorOptions.QueueLimit"/> allows.</summary>
/// <param name="model">Name of the model.</param>
/// <param name="limit">How many may wait.</param>
public sealed class PredictorBusyException(string model, int limit)
    : Exception($"{model}: {limit} calls are waiting already, as many as QueueLimit allows: try again later");
