using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using PluginServer.Configuration;

namespace PluginServer.Plugins;

/// <summary>Makes an endpoint's <see cref="HandlerBinding"/>: is what the handler's constructor asks for there, and do its settings fit?</summary>
internal static class HandlerBinder
{
    /// <summary>The binding, or null with every reason added to the errors. Constructs no handler.</summary>
    public static HandlerBinding? Bind(PluginGeneration generation, string handler, EndpointConfig endpoint, List<ConfigError> errors)
    {
        try
        {
            return CleanContext.Run(() => Bind(generation, generation.Loaded, handler, endpoint, errors));
        }
        catch (Exception error)
        {
            errors.Add(endpoint.Position["plugin"].Error($"plugin {endpoint.Plugin}: {handler} cannot be used: {LoadedPlugin.Cause(error)}"));
            return null;
        }
    }

    public static bool AsksFor<T>(LoadedPlugin plugin, string handler) =>
        plugin.Assembly.GetType(handler, throwOnError: true)!.GetConstructors().Any(constructor => constructor.GetParameters().Any(parameter => parameter.ParameterType == typeof(T)));

    private static HandlerBinding? Bind(PluginGeneration generation, LoadedPlugin plugin, string handler, EndpointConfig endpoint, List<ConfigError> errors)
    {
        var before = errors.Count;
        var type = plugin.Assembly.GetType(handler, throwOnError: true)!;
        var parameters = Constructor(type).GetParameters();
        var options = OptionsParameter(plugin, parameters);
        foreach (var parameter in parameters.Where(parameter => parameter != options && !IsAvailable(plugin, parameter)))
        {
            errors.Add(endpoint.Position["plugin"].Error(
                $"plugin {endpoint.Plugin}: {type.Name} asks for {Name(parameter.ParameterType)} {parameter.Name}, which is not registered; register it in ConfigureServices of the plugin's IPlugin"));
        }

        object[] arguments = [];
        Type[] argumentTypes = [];
        if (options is not null)
        {
            if (new SettingsBinder(plugin).Bind(options.ParameterType.GetGenericArguments()[0], endpoint.Settings, errors) is { } bound)
            {
                (arguments, argumentTypes) = ([bound], [options.ParameterType]);
            }
        }
        else if (endpoint.Settings.Values.Count > 0)
        {
            errors.Add(endpoint.Settings.Position.Error($"{type.Name} takes no settings: its constructor has no IOptions<T> parameter; remove them, or put what is for the plugin's services under plugins.{endpoint.Plugin}.settings"));
        }

        var (readsMessages, changesCode) = (typeof(IMessageLoop).IsAssignableFrom(type), typeof(ICodeChange).IsAssignableFrom(type));
        if (changesCode && !readsMessages)
        {
            errors.Add(endpoint.Position["plugin"].Error($"plugin {endpoint.Plugin}: {type.Name} is an ICodeChange and no MessageHandler, so there is no moment between two messages at which its connections could move; derive it from MessageHandler<T>, or remove the interface"));
        }

        if (errors.Count > before)
        {
            return null;
        }

        var scoped = !parameters.All(parameter => parameter == options || IsSingleton(plugin, parameter.ParameterType));
        return new HandlerBinding(generation, type.Name, plugin.Services, ActivatorUtilities.CreateFactory(type, argumentTypes), arguments, scoped, readsMessages, changesCode);
    }

    private static ConstructorInfo Constructor(Type type)
    {
        var constructors = type.GetConstructors();
        var chosen = constructors.Where(constructor => constructor.IsDefined(typeof(ActivatorUtilitiesConstructorAttribute))).ToArray();
        return (chosen.Length > 0 ? chosen : constructors) is [var only]
            ? only
            : throw new PluginException($"it has {constructors.Length} public constructors; leave one, or mark one with [ActivatorUtilitiesConstructor]");
    }

    /// <summary>The parameter that receives the endpoint's settings: the one IOptions&lt;T&gt; that the container does not configure, or the only one.</summary>
    private static ParameterInfo? OptionsParameter(LoadedPlugin plugin, ParameterInfo[] parameters)
    {
        var options = parameters.Where(parameter => parameter.ParameterType.IsConstructedGenericType && parameter.ParameterType.GetGenericTypeDefinition() == typeof(IOptions<>)).ToArray();
        if (options.Length > 1)
        {
            options = [.. options.Where(parameter => !plugin.Registrations.Any(service => service.ServiceType == typeof(IConfigureOptions<>).MakeGenericType(parameter.ParameterType.GetGenericArguments())))];
        }

        return options.Length > 1
            ? throw new PluginException($"its constructor has {options.Length} IOptions<T> parameters that could receive the endpoint's settings; leave one, and configure the others in ConfigureServices")
            : options.SingleOrDefault();
    }

    private static bool IsAvailable(LoadedPlugin plugin, ParameterInfo parameter)
    {
        var available = plugin.Services.GetRequiredService<IServiceProviderIsKeyedService>();
        return parameter.HasDefaultValue
            || (parameter.GetCustomAttribute<FromKeyedServicesAttribute>() is { } keyed
                ? available.IsKeyedService(parameter.ParameterType, keyed.Key)
                : available.IsService(parameter.ParameterType));
    }

    private static bool IsSingleton(LoadedPlugin plugin, Type type)
    {
        // A closed registration wins over an open one, such as ILogger<>.
        var open = type.IsConstructedGenericType ? type.GetGenericTypeDefinition() : type;
        var registration = plugin.Registrations.LastOrDefault(service => service.ServiceType == type) ?? plugin.Registrations.LastOrDefault(service => service.ServiceType == open);
        return registration?.Lifetime == ServiceLifetime.Singleton;
    }

    private static string Name(Type type) =>
        type.IsConstructedGenericType ? $"{type.Name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>" : type.Name;
}
