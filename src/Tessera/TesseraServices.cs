using System.Diagnostics.Metrics;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Tessera.Data.Imaging;

namespace Tessera.Hosting;

/// <summary>Models as services.</summary>
public static class TesseraServices
{
    /// <summary>
    /// Adds a model: a <see cref="Predictor"/>, and an <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/> of <see cref="Image"/>
    /// and of <see cref="DataContent"/> over it. A host checks the options and loads the model as it starts.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Says which model, and how it computes.</param>
    public static IServiceCollection AddTessera(this IServiceCollection services, Action<PredictorOptions> configure) =>
        services.AddTessera(Options.DefaultName, configure);

    /// <summary>Adds a model by a name, which is the key of its services.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">The key.</param>
    /// <param name="configure">Says which model, and how it computes.</param>
    public static IServiceCollection AddTessera(this IServiceCollection services, string name, Action<PredictorOptions> configure)
    {
        Add(services, name).Configure(configure);
        return services;
    }

    /// <summary>Adds a model that a section of a configuration describes, by the names of <see cref="PredictorOptions"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="section">The section.</param>
    public static IServiceCollection AddTessera(this IServiceCollection services, IConfiguration section) =>
        services.AddTessera(Options.DefaultName, section);

    /// <summary>Adds a model that a section of a configuration describes by a name, which is the key of its services.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">The key.</param>
    /// <param name="section">The section.</param>
    public static IServiceCollection AddTessera(this IServiceCollection services, string name, IConfiguration section)
    {
        // An unknown name is a mistake in writing, which would leave a default in force.
        Add(services, name).Bind(section, binder => binder.ErrorOnUnknownConfiguration = true);
        return services;
    }

    private static OptionsBuilder<PredictorOptions> Add(IServiceCollection services, string name)
    {
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<PredictorOptions>, PredictorOptionsValidator>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, ModelStart>());
        var isNew = !services.Any(service =>
            service is { IsKeyedService: false, ImplementationInstance: ModelName known } && known.Name == name
        );
        if (isNew)
        {
            services.AddSingleton(new ModelName(name));
            if (name.Length == 0)
                AddDefault(services);
            else
                AddKeyed(services, name);
        }
        return services.AddOptions<PredictorOptions>(name).ValidateOnStart();
    }

    private static void AddDefault(IServiceCollection services)
    {
        services.AddSingleton(provider => Create(provider, Options.DefaultName));
        services.AddSingleton(provider => new ImageEmbeddingGenerator(provider.GetRequiredService<Predictor>()));
        services.AddSingleton<IEmbeddingGenerator<Image, Embedding<float>>>(provider =>
            provider.GetRequiredService<ImageEmbeddingGenerator>()
        );
        services.AddSingleton<IEmbeddingGenerator<DataContent, Embedding<float>>>(provider =>
            provider.GetRequiredService<ImageEmbeddingGenerator>()
        );
    }

    private static void AddKeyed(IServiceCollection services, string name)
    {
        services.AddKeyedSingleton(name, (provider, _) => Create(provider, name));
        services.AddKeyedSingleton(name, (provider, _) => new ImageEmbeddingGenerator(provider.GetRequiredKeyedService<Predictor>(name)));
        services.AddKeyedSingleton<IEmbeddingGenerator<Image, Embedding<float>>>(name, (provider, _) =>
            provider.GetRequiredKeyedService<ImageEmbeddingGenerator>(name)
        );
        services.AddKeyedSingleton<IEmbeddingGenerator<DataContent, Embedding<float>>>(name, (provider, _) =>
            provider.GetRequiredKeyedService<ImageEmbeddingGenerator>(name)
        );
    }

    private static Predictor Create(IServiceProvider provider, string name) =>
        new(
            provider.GetRequiredService<IOptionsMonitor<PredictorOptions>>().Get(name),
            provider.GetService<ILogger<Predictor>>(),
            provider.GetService<IMeterFactory>(),
            name.Length == 0 ? null : name
        );
}

/// <summary>The name of a model that was added, empty for the one without.</summary>
internal sealed record ModelName(string Name);

/// <summary>Loads the models as a host starts, so that an error ends it then and no first caller waits.</summary>
internal sealed class ModelStart(IServiceProvider services, IEnumerable<ModelName> names) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var name in names.Select(one => one.Name))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (name.Length == 0)
                services.GetRequiredService<Predictor>();
            else
                services.GetRequiredKeyedService<Predictor>(name);
        }
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
