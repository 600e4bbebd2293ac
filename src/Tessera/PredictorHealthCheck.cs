using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Tessera.Hosting;

/// <summary>Healthy while the model answers: <c>services.AddHealthChecks().AddCheck&lt;PredictorHealthCheck&gt;("tessera")</c>.</summary>
/// <param name="predictor">The predictor that is asked; it answers in its turn.</param>
public sealed class PredictorHealthCheck(Predictor predictor) : IHealthCheck
{
    /// <inheritdoc/>
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            return await predictor.AnswersAsync(cancellationToken).ConfigureAwait(false)
                ? HealthCheckResult.Healthy($"{predictor.Name} answers")
                : new(context.Registration.FailureStatus, $"{predictor.Name}: the logits are not finite");
        }
        catch (PredictorBusyException error)
        {
            return HealthCheckResult.Degraded(error.Message);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            return new(context.Registration.FailureStatus, error.Message, error);
        }
    }
}
